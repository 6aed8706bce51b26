// Somebody is told before the month gets expensive. An alert stops nothing: the limits of agents do (docs/budgets.md).
param name string
param amount int
param email string

module budget 'br/public:avm/res/consumption/budget/rg-scope:0.1.0' = {
  name: 'budget'
  params: {
    name: name
    amount: amount
    thresholds: [50, 80, 100]
    contactEmails: empty(email) ? [] : [email]
    contactRoles: empty(email) ? ['Owner'] : []
  }
}
