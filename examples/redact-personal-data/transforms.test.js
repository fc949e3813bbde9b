import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import { changeEventMessage, deadLetterMessage } from 'mongo-rabbit-cdc'
import { bodyOf, changeEvents, resumeToken, runTransform } from 'mongo-rabbit-cdc/testing'
import { customerMessages, hideCustomer } from './transforms.js'

const hashKey = 'a key for these tests'
const transform = customerMessages({ hashKey })
const events = changeEvents({ collection: 'customers' })

const customer = {
  _id: 7,
  email: 'ada@example.org',
  iban: 'DE89370400440532013000',
  phone: '+44 20 7946 0018',
  passwordHash: '$2b$10$planted',
  sessions: { 'session-one': { ip: '192.0.2.7' } },
  addresses: [{ street: '12 Old Street', city: 'London' }],
  plan: 'gold',
}
const changes = {
  email: 'lovelace@example.net',
  passwordHash: '$2b$10$another',
  'sessions.session-two.ip': '198.51.100.9',
  'addresses.0.street': '3 New Mews',
  'addresses.1': { street: '5 Rue Cachée', city: 'Paris' },
  plan: 'basic',
}
const changed = {
  ...customer,
  email: 'lovelace@example.net',
  passwordHash: '$2b$10$another',
  sessions: { 'session-two': { ip: '198.51.100.9' } },
  addresses: [
    { street: '3 New Mews', city: 'London' },
    { street: '5 Rue Cachée', city: 'Paris' },
  ],
  plan: 'basic',
}
const update = { set: changes, unset: ['sessions.session-one', 'phone'], fullDocument: changed, before: customer }

const secrets = [
  'ada@example.org',
  'lovelace@example.net',
  'DE8937040044053201', // all but the last four
  '7946 0018',
  '$2b$10$planted',
  '$2b$10$another',
  'session-one',
  'session-two',
  '192.0.2.7',
  '198.51.100.9',
  'Old Street',
  'New Mews',
  'Rue Cachée',
]

/** The secrets that come out with a message, anywhere in it: as text, or in hexadecimal as in a token. */
function leaksOf({ body, ...properties }) {
  const text = `${Buffer.from(body)} ${JSON.stringify(properties)}`.toLowerCase()
  const formsOf = secret => [secret.toLowerCase(), Buffer.from(secret).toString('hex')]
  return secrets.filter(secret => formsOf(secret).some(form => text.includes(form)))
}

/** As the server tells it of a collection that is sharded by email: that is in the document's key and in the token. */
function sharded(event, { email }) {
  const token = resumeToken({ clusterTime: event.clusterTime, collectionUuid: '0'.repeat(32), id: email })
  return { ...event, _id: token, documentKey: { email, _id: 7 } }
}

function hashOf(email) {
  return createHmac('sha256', hashKey).update(email).digest('hex')
}

test('the search finds every secret of an update that hides nothing, and the one in its token', async () => {
  const [message] = await runTransform(
    changeEventMessage({ tokenHeader: true }),
    sharded(events.update(7, update), customer),
  )
  assert.deepEqual(leaksOf(message), secrets)
  assert.deepEqual(leaksOf({ body: '', headers: message.headers }), ['ada@example.org'])
})

test('an insert shows what others need, and no secret', async () => {
  const [message] = await runTransform(transform, sharded(events.insert(customer), customer))
  assert.deepEqual(leaksOf(message), [])
  assert.deepEqual(bodyOf(message).fullDocument, {
    _id: 7,
    email: hashOf('ada@example.org'), // whoever has the key can compute it
    iban: '****3000',
    phone: '***',
    addresses: [{ city: 'London' }],
    plan: 'gold',
  })
})

test('a document of an older form, whose address is a string, shows none of it', async () => {
  const old = { ...customer, addresses: '12 Old Street, London' }
  const [message] = await runTransform(transform, events.insert(old))
  assert.deepEqual(leaksOf(message), [])
})

test('an update shows no secret: not by its paths, nor in the document before and after', async () => {
  const [message] = await runTransform(transform, sharded(events.update(7, update), customer))
  assert.deepEqual(leaksOf(message), [])
  const { updateDescription, fullDocument, fullDocumentBeforeChange } = bodyOf(message)
  assert.deepEqual(updateDescription.updatedFields, {
    email: hashOf('lovelace@example.net'),
    'addresses.1': { city: 'Paris' },
    plan: 'basic',
  })
  assert.deepEqual(updateDescription.removedFields, ['phone'])
  assert.deepEqual(fullDocument.addresses, [{ city: 'London' }, { city: 'Paris' }])
  assert.equal(fullDocumentBeforeChange.email, hashOf('ada@example.org'))
})

test('a delete shows no secret: not in the document as it was, nor in its key', async () => {
  const [message] = await runTransform(transform, sharded(events.delete(7, { before: customer }), customer))
  assert.deepEqual(leaksOf(message), [])
  const { documentKey, fullDocumentBeforeChange } = bodyOf(message)
  assert.deepEqual(documentKey, { email: hashOf('ada@example.org'), _id: 7 })
  assert.equal(fullDocumentBeforeChange.iban, '****3000')
})

test('a dead letter shows no secret either', () => {
  const letterOf = deadLetterMessage({ redact: hideCustomer({ hashKey }) })
  const failed = { pipeline: 'customers', id: 'a', stage: 'publish', attempts: 1, failedAt: new Date() }
  for (const event of [events.insert(customer), events.update(7, update), events.delete(7, { before: customer })]) {
    const letter = letterOf({ ...failed, error: new Error('no queue is bound'), event })
    assert.deepEqual(leaksOf(letter), [])
    assert.equal(bodyOf(letter).redacted, true)
  }
})

test('without a key, or with a short one, nothing starts', () => {
  for (const key of [undefined, '', 'short']) {
    assert.throws(() => customerMessages({ hashKey: key }), { code: 'CDC_OPTION_INVALID' })
  }
})
