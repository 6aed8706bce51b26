// A document database for CosmosDBStorage, serverless: an idle one costs its storage. Keys are off.
param name string
param location string
param tags object
@description('Who may read and write documents: { principalId, principalType }.')
param principals array

module account 'br/public:avm/res/document-db/database-account:0.20.1' = {
  name: 'account'
  params: {
    name: name
    location: location
    tags: tags
    capabilitiesToAdd: ['EnableServerless']
    disableLocalAuthentication: true
    zoneRedundant: false
    failoverLocations: [{ locationName: location, failoverPriority: 0, isZoneRedundant: false }]
    networkRestrictions: { publicNetworkAccess: 'Enabled', networkAclBypass: 'AzureServices' }
    sqlDatabases: [{ name: 'aos', containers: [{ name: 'documents', paths: ['/id'] }] }]
    sqlRoleAssignments: map(principals, each => {
      principalId: each.principalId
      roleDefinitionId: '00000000-0000-0000-0000-000000000002' // Cosmos DB Built-in Data Contributor
    })
  }
}

output endpoint string = account.outputs.endpoint
