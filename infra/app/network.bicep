// A network of its own: the app goes out through one subnet, and state, messages and secrets have addresses in another.
param name string
param location string
param tags object

var zones = [
  'privatelink.blob.${environment().suffixes.storage}'
  'privatelink.queue.${environment().suffixes.storage}'
  'privatelink.table.${environment().suffixes.storage}'
  'privatelink.servicebus.windows.net'
  'privatelink.vaultcore.azure.net'
]

module vnet 'br/public:avm/res/network/virtual-network:0.10.1' = {
  name: 'vnet'
  params: {
    name: name
    location: location
    tags: tags
    addressPrefixes: ['10.0.0.0/16']
    subnets: [
      { name: 'private-endpoints', addressPrefix: '10.0.1.0/24', privateEndpointNetworkPolicies: 'Disabled' }
      { name: 'app', addressPrefix: '10.0.2.0/24', delegation: 'Microsoft.App/environments' }
    ]
  }
}

module dns 'br/public:avm/res/network/private-dns-zone:0.8.1' = [
  for zone in zones: {
    name: 'dns-${uniqueString(zone)}'
    params: {
      name: zone
      tags: tags
      virtualNetworkLinks: [{ virtualNetworkResourceId: vnet.outputs.resourceId }]
    }
  }
]

output appSubnetResourceId string = vnet.outputs.subnetResourceIds[1]
output storage array = [
  {
    service: 'blob'
    subnetResourceId: vnet.outputs.subnetResourceIds[0]
    privateDnsZoneGroup: { privateDnsZoneGroupConfigs: [{ privateDnsZoneResourceId: dns[0].outputs.resourceId }] }
  }
  {
    service: 'queue'
    subnetResourceId: vnet.outputs.subnetResourceIds[0]
    privateDnsZoneGroup: { privateDnsZoneGroupConfigs: [{ privateDnsZoneResourceId: dns[1].outputs.resourceId }] }
  }
  {
    service: 'table'
    subnetResourceId: vnet.outputs.subnetResourceIds[0]
    privateDnsZoneGroup: { privateDnsZoneGroupConfigs: [{ privateDnsZoneResourceId: dns[2].outputs.resourceId }] }
  }
]
output servicebus array = [
  {
    service: 'namespace'
    subnetResourceId: vnet.outputs.subnetResourceIds[0]
    privateDnsZoneGroup: { privateDnsZoneGroupConfigs: [{ privateDnsZoneResourceId: dns[3].outputs.resourceId }] }
  }
]
output vault array = [
  {
    service: 'vault'
    subnetResourceId: vnet.outputs.subnetResourceIds[0]
    privateDnsZoneGroup: { privateDnsZoneGroupConfigs: [{ privateDnsZoneResourceId: dns[4].outputs.resourceId }] }
  }
]
