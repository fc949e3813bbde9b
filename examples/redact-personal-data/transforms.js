import { changeEventMessage, omit, pipe, redact } from 'mongo-rabbit-cdc'

/**
 * Hides who the customers are. It holds wherever a field shows: in the document, in the one before the change, in the
 * description of an update, in the document's key.
 */
export function hideCustomer({ hashKey }) {
  return pipe(
    omit('passwordHash', 'sessions'), // nobody else's business, not even that they have changed
    redact({
      email: { hash: { key: hashKey } }, // the same customer can still be told
      iban: { mask: '****', keepLast: 4 },
      phone: { mask: '***' },
      'addresses.street': 'remove', // of every address; the city stays
    }),
  )
}

/** Changes of customers for those who may not know who they are. */
export function customerMessages({ hashKey }) {
  // The collection is sharded by email, so the resume token holds it, and no rule reaches in there: no `tokenHeader`.
  return pipe(hideCustomer({ hashKey }), changeEventMessage())
}
