import { describe, expect, it } from 'vitest'
import { BrokerError } from '../../../src/errors.js'
import { type BrokerStage, classifyBrokerError, reasonOf } from '../../../src/rabbit/classify-broker-error.js'

const withCode = (message: string, code: unknown) => Object.assign(new Error(message), { code })

const table: [name: string, stage: BrokerStage, error: unknown, code: string, reason: string][] = [
  [
    'a wrong password',
    'connect',
    new Error('Handshake terminated by server: 403 (ACCESS-REFUSED) with message "ACCESS_REFUSED - Login was refused"'),
    'CDC_BROKER_AUTH_FAILED',
    'unauthorized',
  ],
  [
    'a missing virtual host',
    'connect',
    new Error('Expected ConnectionOpenOk; got <ConnectionClose channel:0>'),
    'CDC_BROKER_VHOST_MISSING',
    'reconnecting',
  ],
  [
    'an expired certificate',
    'connect',
    withCode('expired', 'CERT_HAS_EXPIRED'),
    'CDC_BROKER_TLS_FAILED',
    'unauthorized',
  ],
  [
    'a certificate of another host',
    'connect',
    withCode('altname', 'ERR_TLS_CERT_ALTNAME_INVALID'),
    'CDC_BROKER_TLS_FAILED',
    'unauthorized',
  ],
  ['TLS to a plain port', 'connect', withCode('ssl: wrong version', 'EPROTO'), 'CDC_BROKER_TLS_FAILED', 'unauthorized'],
  [
    'a broker that is away',
    'connect',
    withCode('connect ECONNREFUSED', 'ECONNREFUSED'),
    'CDC_BROKER_UNAVAILABLE',
    'reconnecting',
  ],
  [
    'a broker that starts',
    'connect',
    new Error('Handshake terminated by server: 541 ()'),
    'CDC_BROKER_UNAVAILABLE',
    'reconnecting',
  ],
  [
    'a declaration with other properties',
    'topology',
    withCode('inequivalent arg', 406),
    'CDC_TOPOLOGY_MISMATCH',
    'topology',
  ],
  ['a queue of another connection', 'topology', withCode('RESOURCE_LOCKED', 405), 'CDC_TOPOLOGY_MISMATCH', 'topology'],
  [
    'an exchange type without its plugin',
    'topology',
    withCode("COMMAND_INVALID - unknown exchange type 'x-a'", 503),
    'CDC_TOPOLOGY_MISMATCH',
    'topology',
  ],
  [
    'a queue that is only checked and missing',
    'topology',
    withCode('no queue', 404),
    'CDC_TOPOLOGY_MISSING',
    'topology',
  ],
  [
    'no permission to declare',
    'topology',
    withCode('access refused', 403),
    'CDC_BROKER_ACCESS_REFUSED',
    'unauthorized',
  ],
  ['no permission to publish', 'publish', withCode('access refused', 403), 'CDC_BROKER_ACCESS_REFUSED', 'unauthorized'],
  [
    'a missing exchange at a publish',
    'publish',
    withCode('no exchange', 404),
    'CDC_BROKER_UNAVAILABLE',
    'reconnecting',
  ],
  ['a thrown string', 'connect', 'odd', 'CDC_BROKER_UNAVAILABLE', 'reconnecting'],
  ['nothing', 'connect', undefined, 'CDC_BROKER_UNAVAILABLE', 'reconnecting'],
]

describe('classification of broker errors', () => {
  it.each(table)('knows %s', (_, stage, error, code, reason) => {
    const classified = classifyBrokerError(error, stage, 'host:5672/v')
    expect(classified).toMatchObject({ code, retryable: code === 'CDC_BROKER_UNAVAILABLE' })
    expect(classified.message).toContain('host:5672/v: ')
    expect(classified.cause).toBe(error)
    expect(reasonOf(classified)).toBe(reason)
  })

  it('says that a connection limit looks like a missing virtual host', () => {
    const error = new Error('Expected ConnectionOpenOk; got <ConnectionClose channel:0>')
    expect(classifyBrokerError(error, 'connect', 'h').hint).toContain('connection limit')
  })

  it('leaves our own errors as they are', () => {
    const own = new BrokerError('CDC_BROKER_UNAVAILABLE', 'late', { retryable: true })
    expect(classifyBrokerError(own, 'connect', 'h')).toBe(own)
  })
})
