// What the agents are: one table, its blobs, and the app's own package. Shared keys are off.
param name string
param location string
param tags object
@description('Who may read and write state: { principalId, principalType }.')
param principals array
@description('Private endpoints for blob, queue and table; none: reached over the public network, by identity alone.')
param privateEndpoints array = []

var packageContainer = 'app-package'
var roles = [
  'b7e6dc6d-f1e8-4753-8033-0f276bb0955b' // Storage Blob Data Owner: the Functions host's leases and the package
  '974c5e8b-45b9-4653-ba55-5f855dd0fb88' // Storage Queue Data Contributor
  '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3' // Storage Table Data Contributor
]
var pairs = flatten(map(principals, each => map(roles, role => { principal: each, role: role })))

module account 'br/public:avm/res/storage/storage-account:0.33.0' = {
  name: 'account'
  params: {
    name: name
    location: location
    tags: tags
    skuName: 'Standard_ZRS'
    allowSharedKeyAccess: false
    allowBlobPublicAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    publicNetworkAccess: empty(privateEndpoints) ? 'Enabled' : 'Disabled'
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: empty(privateEndpoints) ? 'Allow' : 'Deny'
    }
    privateEndpoints: privateEndpoints
    blobServices: {
      containers: [{ name: packageContainer }]
      deleteRetentionPolicyEnabled: true
      deleteRetentionPolicyDays: 7
    }
    roleAssignments: map(pairs, each => {
      principalId: each.principal.principalId
      principalType: each.principal.principalType
      roleDefinitionIdOrName: each.role
    })
  }
}

output name string = account.outputs.name
output blobEndpoint string = account.outputs.primaryBlobEndpoint
output packageContainer string = packageContainer
