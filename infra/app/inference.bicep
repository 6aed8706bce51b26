// The app may call the endpoints of an Azure Machine Learning workspace that exists, and run jobs there; when a job ends,
// the workspace tells the topic of publications, and the agent that waits for it wakes.
param workspaceName string
param principalId string
@description('By whom the workspace tells that a job has ended: the app identity, which may send to Service Bus.')
param identityResourceId string
@description('The Service Bus topic that it tells.')
param topicResourceId string
param topicName string

var dataScientist = 'f6c7c914-8db3-469d-8ca1-694a8f32e121' // AzureML Data Scientist

resource workspace 'Microsoft.MachineLearningServices/workspaces@2024-10-01' existing = {
  name: workspaceName
}

resource role 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(workspace.id, principalId, dataScientist)
  scope: workspace
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', dataScientist)
  }
}

resource runs 'Microsoft.EventGrid/systemTopics@2025-02-15' = {
  name: topicName
  location: workspace.location
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${identityResourceId}': {} } }
  properties: { source: workspace.id, topicType: 'Microsoft.MachineLearningServices.Workspaces' }
}

resource ended 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = {
  parent: runs
  name: 'agents'
  properties: {
    eventDeliverySchema: 'CloudEventSchemaV1_0'
    deliveryWithResourceIdentity: {
      identity: { type: 'UserAssigned', userAssignedIdentity: identityResourceId }
      destination: { endpointType: 'ServiceBusTopic', properties: { resourceId: topicResourceId } }
    }
    filter: {
      includedEventTypes: [
        'Microsoft.MachineLearningServices.RunCompleted'
        'Microsoft.MachineLearningServices.RunStatusChanged'
      ]
    }
  }
}
