// Events of other systems: what is posted to this topic goes, as CloudEvents, to the topic of publications, and from
// there to whoever subscribed. Keys are off.
param name string
param location string
param tags object
@description('By whom the topic delivers: the app identity, which may send to Service Bus.')
param identityResourceId string
@description('The Service Bus topic that events go to.')
param topicResourceId string
@description('Who may post events: { principalId, principalType }.')
param principals array

module topic 'br/public:avm/res/event-grid/topic:0.10.0' = {
  name: 'topic'
  params: {
    name: name
    location: location
    tags: tags
    inputSchema: 'CloudEventSchemaV1_0'
    disableLocalAuth: true
    publicNetworkAccess: 'Enabled'
    managedIdentities: { userAssignedResourceIds: [identityResourceId] }
    eventSubscriptions: [
      {
        name: 'agents'
        eventDeliverySchema: 'CloudEventSchemaV1_0'
        deliveryWithResourceIdentity: {
          identity: { type: 'UserAssigned', userAssignedIdentity: identityResourceId }
          destination: { endpointType: 'ServiceBusTopic', properties: { resourceId: topicResourceId } }
        }
      }
    ]
    roleAssignments: map(principals, each => {
      principalId: each.principalId
      principalType: each.principalType
      roleDefinitionIdOrName: 'd5a91429-5739-47e2-a06b-3470a27159e7' // EventGrid Data Sender
    })
  }
}

output endpoint string = topic.outputs.endpoint
