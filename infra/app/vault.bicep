// Secrets: the bearer token of the doors, and whatever a setting names as keyvault://name.
param name string
param location string
param tags object
@secure()
param token string
@description('Who may read secrets: { principalId, principalType }.')
param principals array
@description('Private endpoints; none: reached over the public network, by identity alone.')
param privateEndpoints array = []

module vault 'br/public:avm/res/key-vault/vault:0.14.0' = {
  name: 'vault'
  params: {
    name: name
    location: location
    tags: tags
    sku: 'standard'
    enableRbacAuthorization: true
    enablePurgeProtection: true
    softDeleteRetentionInDays: 7
    publicNetworkAccess: empty(privateEndpoints) ? 'Enabled' : 'Disabled'
    privateEndpoints: privateEndpoints
    secrets: [{ name: 'aos-token', value: token }]
    roleAssignments: map(principals, each => {
      principalId: each.principalId
      principalType: each.principalType
      roleDefinitionIdOrName: '4633458b-17de-408a-b874-0445c86b69e6' // Key Vault Secrets User
    })
  }
}

output name string = vault.outputs.name
output url string = vault.outputs.uri
