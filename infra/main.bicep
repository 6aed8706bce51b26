// The whole system in one resource group: a Functions app on Flex Consumption that wakes agents, a storage account that
// keeps them, a Service Bus namespace that carries their messages, and what watches and guards the three.
// No key anywhere: the app is a user-assigned identity, and each service gives it the least role that serves.
targetScope = 'subscription'

@minLength(1)
@maxLength(64)
@description('The name of the azd environment; every resource is named after it.')
param environmentName string

@minLength(1)
@description('Where everything lies. Flex Consumption is offered in these regions, among others.')
@allowed([
  'australiaeast'
  'centralus'
  'eastasia'
  'eastus'
  'eastus2'
  'francecentral'
  'germanywestcentral'
  'japaneast'
  'koreacentral'
  'northeurope'
  'norwayeast'
  'southcentralus'
  'southeastasia'
  'swedencentral'
  'uksouth'
  'westeurope'
  'westus2'
  'westus3'
])
@metadata({ azd: { type: 'location' } })
param location string

@description('Who deploys: gets the same data roles as the app, to look at state and messages. Empty: nobody.')
param principalId string = ''

@description('What that principal is: User, or ServicePrincipal in a pipeline.')
@allowed(['User', 'ServicePrincipal', 'Group'])
param principalType string = 'User'

@secure()
@description('The bearer token of the HTTP routes; lies in the key vault, and is made by azd the first time.')
param token string

@description('Where the agents are: AOS_APP.')
param agents string = 'examples/01_minimal.py'

@description('The model of whatever names none, as provider/model.')
param model string = 'offline'

@description('Whether storage, Service Bus and key vault are reached through private endpoints alone.')
param vnetEnabled bool = false

@description('Whether there is a Cosmos DB account for CosmosDBStorage.')
param cosmosEnabled bool = false

@description('Whether there is an Event Grid topic whose events reach the agents.')
param eventGridEnabled bool = false

@description('An Azure Machine Learning online endpoint that exists, up to its /v1. Empty: none.')
param azureMlEndpoint string = ''

@description('The resource id of the workspace in which that endpoint and GPU jobs live. Empty: none.')
param azureMlWorkspaceId string = ''

@description('How much the resource group may cost a month before somebody is told, in the currency of the bill. 0: no alert.')
param budgetAmount int = 0

@description('Who is told.')
param budgetEmail string = ''

var abbreviations = loadJsonContent('abbreviations.json')
var resourceToken = toLower(uniqueString(subscription().id, environmentName, location))
var groupName = '${abbreviations.resourcesResourceGroups}${environmentName}'
var tags = { 'azd-env-name': environmentName }
var functionAppName = '${abbreviations.webSitesFunctions}${resourceToken}'
var workspaceParts = split(
  empty(azureMlWorkspaceId) ? '${subscription().id}/resourceGroups/${groupName}' : azureMlWorkspaceId,
  '/'
)
var people = empty(principalId) ? [] : [{ principalId: principalId, principalType: principalType }]
var readers = concat([{ principalId: identity.outputs.principalId, principalType: 'ServicePrincipal' }], people)

resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: groupName
  location: location
  tags: tags
}

module identity 'br/public:avm/res/managed-identity/user-assigned-identity:0.6.0' = {
  name: 'identity'
  scope: group
  params: {
    name: '${abbreviations.managedIdentityUserAssignedIdentities}${resourceToken}'
    location: location
    tags: tags
  }
}

module monitoring 'app/monitoring.bicep' = {
  name: 'monitoring'
  scope: group
  params: {
    workspaceName: '${abbreviations.operationalInsightsWorkspaces}${resourceToken}'
    componentName: '${abbreviations.insightsComponents}${resourceToken}'
    location: location
    tags: tags
    principals: readers
  }
}

module network 'app/network.bicep' = if (vnetEnabled) {
  name: 'network'
  scope: group
  params: {
    name: '${abbreviations.networkVirtualNetworks}${resourceToken}'
    location: location
    tags: tags
  }
}

module storage 'app/storage.bicep' = {
  name: 'storage'
  scope: group
  params: {
    name: '${abbreviations.storageStorageAccounts}${resourceToken}'
    location: location
    tags: tags
    principals: readers
    privateEndpoints: vnetEnabled ? network!.outputs.storage : []
  }
}

module servicebus 'app/servicebus.bicep' = {
  name: 'servicebus'
  scope: group
  params: {
    name: '${abbreviations.serviceBusNamespaces}${resourceToken}'
    location: location
    tags: tags
    principals: readers
    privateEndpoints: vnetEnabled ? network!.outputs.servicebus : []
  }
}

module vault 'app/vault.bicep' = {
  name: 'vault'
  scope: group
  params: {
    name: '${abbreviations.keyVaultVaults}${resourceToken}'
    location: location
    tags: tags
    token: token
    principals: readers
    privateEndpoints: vnetEnabled ? network!.outputs.vault : []
  }
}

module cosmos 'app/cosmos.bicep' = if (cosmosEnabled) {
  name: 'cosmos'
  scope: group
  params: {
    name: '${abbreviations.documentDBDatabaseAccounts}${resourceToken}'
    location: location
    tags: tags
    principals: readers
  }
}

module eventgrid 'app/eventgrid.bicep' = if (eventGridEnabled) {
  name: 'eventgrid'
  scope: group
  params: {
    name: '${abbreviations.eventGridTopics}${resourceToken}'
    location: location
    tags: tags
    identityResourceId: identity.outputs.resourceId
    topicResourceId: servicebus.outputs.topicResourceId
    principals: people
  }
}

module budget 'app/budget.bicep' = if (budgetAmount > 0) {
  name: 'budget'
  scope: group
  params: {
    name: '${abbreviations.consumptionBudgets}${resourceToken}'
    amount: budgetAmount
    email: budgetEmail
  }
}

module inference 'app/inference.bicep' = if (!empty(azureMlWorkspaceId)) {
  name: 'inference-roles'
  scope: resourceGroup(workspaceParts[2], workspaceParts[4])
  params: {
    workspaceName: last(workspaceParts)
    principalId: identity.outputs.principalId
    identityResourceId: identity.outputs.resourceId
    topicResourceId: servicebus.outputs.topicResourceId
    topicName: '${abbreviations.eventGridTopics}runs-${resourceToken}'
  }
}

module app 'app/function.bicep' = {
  name: 'function'
  scope: group
  params: {
    name: functionAppName
    planName: '${abbreviations.webServerFarms}${resourceToken}'
    location: location
    tags: tags
    identityResourceId: identity.outputs.resourceId
    identityClientId: identity.outputs.clientId
    insightsConnectionString: monitoring.outputs.connectionString
    storageAccountName: storage.outputs.name
    blobEndpoint: storage.outputs.blobEndpoint
    packageContainer: storage.outputs.packageContainer
    servicebusNamespace: servicebus.outputs.fullyQualifiedNamespace
    vaultUrl: vault.outputs.url
    subnetResourceId: vnetEnabled ? network!.outputs.appSubnetResourceId : ''
    agents: agents
    model: model
    environmentName: environmentName
    azureMlEndpoint: azureMlEndpoint
    azureMlWorkspaceId: azureMlWorkspaceId
  }
}

output AZURE_LOCATION string = location
output AZURE_RESOURCE_GROUP string = group.name
output AZURE_FUNCTION_NAME string = functionAppName
output AZURE_KEY_VAULT_NAME string = vault.outputs.name
output AOS_URL string = app.outputs.url
output AOS_SERVICEBUS_FULLY_QUALIFIED_NAMESPACE string = servicebus.outputs.fullyQualifiedNamespace
output AOS_STORAGE_ACCOUNT_URL string = storage.outputs.blobEndpoint
