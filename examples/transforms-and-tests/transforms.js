import { documentMessage, filter, map, onlyOperations, pipe, whenChanged } from 'mongo-rabbit-cdc'

/**
 * Orders as other services want them: no test orders, only updates that concern the customer, the total in euros.
 * What it asks of the world comes as a parameter, so that a test can answer in its place.
 */
export function orderMessages({ rateOf }) {
  return pipe(
    onlyOperations('insert', 'update', 'replace', 'delete'),
    whenChanged('status', 'total'),
    filter(event => event.fullDocument?.test !== true),
    map(event => withEuros(event, rateOf)),
    documentMessage({ routingKey: 'orders.{operation}' }),
  )
}

async function withEuros(event, rateOf) {
  const order = event.fullDocument
  if (!order) return event // a delete, or an update of an order that is gone
  const euros = order.total * (await rateOf(order.currency))
  return { ...event, fullDocument: { ...order, euros } } // a copy: others hold the same event
}
