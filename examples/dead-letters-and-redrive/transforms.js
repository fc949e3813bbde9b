import { documentMessage, map, onlyOperations, pipe } from 'mongo-rabbit-cdc'

/** As it was deployed: it takes for granted that every order has lines. */
export const brokenTransform = orderMessages(order => sumOf(order.lines))

/** As it is mended. In a service of yours these two are two versions of one line. */
export const mendedTransform = orderMessages(order => sumOf(order.lines ?? []))

function orderMessages(totalOf) {
  return pipe(
    onlyOperations('insert'),
    map(event => ({ ...event, fullDocument: { ...event.fullDocument, total: totalOf(event.fullDocument) } })),
    documentMessage(),
  )
}

function sumOf(lines) {
  return lines.reduce((sum, { price, quantity }) => sum + price * quantity, 0)
}
