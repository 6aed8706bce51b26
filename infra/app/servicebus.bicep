// What carries messages: one queue of mailboxes (a session for each agent), one topic of publications, and the
// subscription by which publications come back to the agents that subscribed. Keys are off.
param name string
param location string
param tags object
@description('Who may send and receive: { principalId, principalType }.')
param principals array
@description('Private endpoints; they need the Premium tier. None: Standard, reached by identity alone.')
param privateEndpoints array = []

@description('As the settings servicebus_queue, servicebus_topic and servicebus_router_subscription.')
param queue string = 'aos-mailbox'
param topic string = 'aos-events'
param routerSubscription string = 'aos-router'

var roles = [
  '4f6d3b9b-027b-4f4c-9142-0e5a2a2247e0' // Azure Service Bus Data Receiver
  '69a216fc-b8fb-44d8-bc22-1f3c2cd27a39' // Azure Service Bus Data Sender
]
var pairs = flatten(map(principals, each => map(roles, role => { principal: each, role: role })))

module namespace 'br/public:avm/res/service-bus/namespace:0.17.0' = {
  name: 'namespace'
  params: {
    name: name
    location: location
    tags: tags
    skuObject: empty(privateEndpoints) ? { name: 'Standard' } : { name: 'Premium', capacity: 1 }
    zoneRedundant: !empty(privateEndpoints)
    disableLocalAuth: true
    authorizationRules: []
    requireInfrastructureEncryption: false
    publicNetworkAccess: empty(privateEndpoints) ? 'Enabled' : 'Disabled'
    privateEndpoints: privateEndpoints
    queues: [
      {
        name: queue
        requiresSession: true
        requiresDuplicateDetection: true
        duplicateDetectionHistoryTimeWindow: 'PT10M'
        lockDuration: 'PT1M' // renewed while a turn runs; a host that dies holds an agent for no longer
        maxDeliveryCount: 100 // what fails is parked in the store; only an outage gives messages back
        deadLetteringOnMessageExpiration: true
      }
    ]
    topics: [
      {
        name: topic
        requiresDuplicateDetection: true
        duplicateDetectionHistoryTimeWindow: 'PT10M'
        subscriptions: [
          {
            name: routerSubscription
            lockDuration: 'PT1M' // renewed while a turn runs; a host that dies holds an agent for no longer
            maxDeliveryCount: 10
            deadLetteringOnMessageExpiration: true
          }
        ]
      }
    ]
    roleAssignments: map(pairs, each => {
      principalId: each.principal.principalId
      principalType: each.principal.principalType
      roleDefinitionIdOrName: each.role
    })
  }
}

output fullyQualifiedNamespace string = '${namespace.outputs.name}.servicebus.windows.net'
output topicResourceId string = '${namespace.outputs.resourceId}/topics/${topic}'
