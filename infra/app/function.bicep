// What wakes agents: function_app.py on Flex Consumption. It costs nothing while nothing happens.
param name string
param planName string
param location string
param tags object
param identityResourceId string
param identityClientId string
param insightsConnectionString string
param storageAccountName string
param blobEndpoint string
param packageContainer string
param servicebusNamespace string
param vaultUrl string
@description('Where the app goes out from; empty: the public network.')
param subnetResourceId string
param agents string
param model string
param environmentName string
param azureMlEndpoint string
param azureMlWorkspaceId string

@description('How much memory an instance has, in MB: the price of a second follows it.')
@allowed([512, 2048, 4096])
param instanceMemoryMB int = 2048
@description('How many instances there may be at most.')
param maximumInstanceCount int = 40

// The host's own connections: by identity, without a key.
var connections = {
  AzureWebJobsStorage__accountName: storageAccountName
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: identityClientId
  ServiceBusConnection__fullyQualifiedNamespace: servicebusNamespace
  ServiceBusConnection__credential: 'managedidentity'
  ServiceBusConnection__clientId: identityClientId
  APPLICATIONINSIGHTS_CONNECTION_STRING: insightsConnectionString
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
  PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY: 'true'
}
// The system's settings (docs/configuration.md).
var settings = {
  AOS_ENVIRONMENT: environmentName
  AOS_APP: agents
  AOS_MODEL: model
  AOS_STORE: 'azure'
  AOS_BUS: 'servicebus'
  AOS_DATA_DIR: '/tmp/aos'
  AOS_STORAGE_ACCOUNT_URL: blobEndpoint
  AOS_SERVICEBUS_FULLY_QUALIFIED_NAMESPACE: servicebusNamespace
  AOS_IDENTITY: 'managed_identity'
  AOS_IDENTITY_CLIENT_ID: identityClientId
  AOS_KEY_VAULT_URL: vaultUrl
  AOS_TOKEN: 'keyvault://aos-token'
  AOS_FUNCTIONS_SERVICEBUS_CONNECTION: 'ServiceBusConnection'
}
var inference = union(
  empty(azureMlEndpoint) ? {} : { AOS_AZUREML_ENDPOINT: azureMlEndpoint },
  empty(azureMlWorkspaceId) ? {} : { AOS_AZUREML_WORKSPACE: azureMlWorkspaceId }
)

module plan 'br/public:avm/res/web/serverfarm:0.7.0' = {
  name: 'plan'
  params: {
    name: planName
    location: location
    tags: tags
    kind: 'functionapp'
    reserved: true
    skuName: 'FC1'
    zoneRedundant: false
  }
}

module site 'br/public:avm/res/web/site:0.24.0' = {
  name: 'site'
  params: {
    name: name
    location: location
    tags: union(tags, { 'azd-service-name': 'agents' })
    kind: 'functionapp,linux'
    serverFarmResourceId: plan.outputs.resourceId
    managedIdentities: { userAssignedResourceIds: [identityResourceId] }
    httpsOnly: true
    virtualNetworkSubnetResourceId: empty(subnetResourceId) ? null : subnetResourceId
    siteConfig: { alwaysOn: false, minTlsVersion: '1.2', ftpsState: 'Disabled' }
    basicPublishingCredentialsPolicies: [
      { name: 'scm', allow: false }
      { name: 'ftp', allow: false }
    ]
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${blobEndpoint}${packageContainer}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityResourceId
          }
        }
      }
      runtime: { name: 'python', version: '3.13' }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
      }
    }
    configs: [{ name: 'appsettings', properties: union(connections, settings, inference) }]
  }
}

output url string = 'https://${site.outputs.defaultHostname}'
