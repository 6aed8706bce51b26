// What happened: a Log Analytics workspace, and Application Insights on it. Nobody writes there with a key.
param workspaceName string
param componentName string
param location string
param tags object
@description('Who may write telemetry: { principalId, principalType }.')
param principals array

module workspace 'br/public:avm/res/operational-insights/workspace:0.16.1' = {
  name: 'workspace'
  params: {
    name: workspaceName
    location: location
    tags: tags
    dataRetention: 30
    dailyQuotaGb: '1'
  }
}

module component 'br/public:avm/res/insights/component:0.8.0' = {
  name: 'component'
  params: {
    name: componentName
    location: location
    tags: tags
    workspaceResourceId: workspace.outputs.resourceId
    disableLocalAuth: true
    retentionInDays: 30
    roleAssignments: map(principals, each => {
      principalId: each.principalId
      principalType: each.principalType
      roleDefinitionIdOrName: '3913510d-42f4-4e42-8a64-420c390055eb' // Monitoring Metrics Publisher
    })
  }
}

output connectionString string = component.outputs.connectionString
