import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { freePorts } from '../../scripts/services/ports.mjs'
import type { BrokerError } from '../../src/errors.js'
import type { RabbitPublisherOptions } from '../../src/rabbit/publisher-options.js'
import { closePublishers, message, next, publisherFor, rejection, told } from './rabbit-publisher-tools.js'
import { type Certificate, createAuthority } from './support/certificates.js'
import { observeAgain, observer, rabbit, startBroker, stopBroker, vhost } from './support/own-broker.js'

// A broker of this file alone, with a TLS listener whose certificate changes.
const authority = createAuthority('CDC test authority')
const stranger = createAuthority('Somebody else')
const good = authority.issue({ commonName: 'rabbit', hosts: ['127.0.0.1', 'rabbit.test'] })
const passphrase = 's3cret-passphrase'
let folder: string
let port: number

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cdc-tls-'))
  ;[port = 0] = await freePorts(1)
  writeFileSync(join(folder, 'ca.pem'), authority.ca)
  present(good)
  await startBroker({
    plugins: ['rabbitmq_auth_mechanism_ssl'],
    config: {
      'listeners.ssl.default': `127.0.0.1:${port}`,
      'ssl_options.cacertfile': join(folder, 'ca.pem'),
      'ssl_options.certfile': join(folder, 'cert.pem'),
      'ssl_options.keyfile': join(folder, 'key.pem'),
      'ssl_options.verify': 'verify_peer',
      'ssl_options.fail_if_no_peer_cert': 'false',
      'auth_mechanisms.1': 'PLAIN',
      'auth_mechanisms.2': 'EXTERNAL',
      ssl_cert_login_from: 'common_name',
    },
  })
})

afterEach(closePublishers)

afterAll(async () => {
  await stopBroker()
  rmSync(folder, { recursive: true, force: true })
})

/** What the listener shows from its next start, or from `renew` on. */
function present({ cert, key }: Certificate): void {
  writeFileSync(join(folder, 'cert.pem'), cert)
  writeFileSync(join(folder, 'key.pem'), key)
}

async function renew(certificate: Certificate): Promise<void> {
  present(certificate)
  await rabbit.rabbitmqctl('eval', 'ssl:clear_pem_cache().')
}

function urlOf(host: string = '127.0.0.1', user: string = 'guest:guest@'): string {
  return `amqps://${user}${host}:${port}/${vhost.name}`
}

function secure(queue: string, more: Partial<RabbitPublisherOptions> = {}): RabbitPublisherOptions {
  return { url: urlOf(), queue: { name: queue }, tls: { ca: authority.ca }, ...more }
}

async function arrives(options: RabbitPublisherOptions): Promise<void> {
  const publisher = publisherFor(options)
  await publisher.open()
  const queue = options.queue?.name ?? ''
  await publisher.publish(message('a', { routingKey: queue }))
  expect(await observer.take(queue)).toEqual(['a'])
}

function refusal(options: RabbitPublisherOptions): Promise<BrokerError> {
  return rejection(publisherFor(options).open())
}

describe('TLS to the broker', () => {
  it('takes a certificate of the given authority', () => arrives(secure('t1')))

  it('checks the name that it is told to', () =>
    arrives(secure('t2', { tls: { ca: authority.ca, servername: 'rabbit.test' } })))

  it('refuses an authority that nobody named', async () => {
    const error = await refusal(secure('t3', { tls: {} }))
    expect(error).toMatchObject({ code: 'CDC_BROKER_TLS_FAILED', retryable: false })
    expect(error.hint).toContain('`tls`')
    expect(await refusal(secure('t3', { tls: { ca: stranger.ca } }))).toMatchObject({ code: 'CDC_BROKER_TLS_FAILED' })
  })

  it('refuses a certificate of another host', async () => {
    expect(await refusal(secure('t4', { tls: { ca: authority.ca, servername: 'other.test' } }))).toMatchObject({
      code: 'CDC_BROKER_TLS_FAILED',
      message: expect.stringContaining('does not match'),
    })
  })

  it('refuses a port that speaks no TLS', async () => {
    const url = urlOf().replace(`:${port}`, `:${rabbit.port}`)
    expect(await refusal(secure('t5', { url }))).toMatchObject({ code: 'CDC_BROKER_TLS_FAILED', retryable: false })
  })

  it('refuses an expired certificate', async () => {
    const before = { notBefore: new Date(Date.now() - 7_200_000), notAfter: new Date(Date.now() - 3_600_000) }
    await renew(authority.issue({ commonName: 'rabbit', hosts: ['127.0.0.1'], ...before }))
    try {
      expect(await refusal(secure('t6'))).toMatchObject({
        code: 'CDC_BROKER_TLS_FAILED',
        retryable: false,
        message: expect.stringContaining('expired'),
      })
    } finally {
      await renew(good)
    }
  })

  it('waits, unhealthy, for a certificate that expired while it runs, and goes on when it is renewed', async () => {
    const publisher = publisherFor(secure('t7'))
    await publisher.open()
    await renew(stranger.issue({ commonName: 'rabbit', hosts: ['127.0.0.1'] }))
    const unauthorized = new Promise(resolve => {
      publisher.onHealth(health => health.reason === 'unauthorized' && resolve(health))
    })
    await closeConnections(publisher)
    const sent = publisher.publish(message('kept', { routingKey: 't7' }))
    expect(await unauthorized).toMatchObject({ ok: false })
    await renew(good)
    await sent
    expect(await observer.take('t7')).toEqual(['kept'])
  })

  it('asks for its own TLS options at each connect', async () => {
    const asked: string[] = []
    const publisher = publisherFor(
      secure('t8', {
        tls: async () => {
          asked.push('tls')
          return { ca: authority.ca }
        },
      }),
    )
    await publisher.open()
    const back = next(publisher, 'connected')
    await closeConnections(publisher)
    await back
    expect(asked.length).toBeGreaterThanOrEqual(2)
  })
})

describe('a log-in by certificate', () => {
  const client = authority.issue({ commonName: 'cdc-client' })

  beforeAll(async () => {
    await rabbit.rabbitmqctl('add_user', 'cdc-client', 'unused')
    await rabbit.rabbitmqctl('clear_password', 'cdc-client')
    await rabbit.rabbitmqctl('set_permissions', '-p', vhost.name, 'cdc-client', '.*', '.*', '.*')
  })

  const external = (queue: string, { cert, key }: Certificate, more: object = {}): RabbitPublisherOptions =>
    secure(queue, {
      url: urlOf('127.0.0.1', ''),
      credentials: 'external',
      tls: { ca: authority.ca, cert, key, ...more },
    })

  it('needs no password', async () => {
    await arrives(external('e1', client))
    await expect.poll(() => rabbit.rabbitmqctl('list_connections', 'user'), { timeout: 10_000 }).toContain('cdc-client')
  })

  it('takes an encrypted key with its passphrase, and refuses a wrong one without telling it', async () => {
    const { createPrivateKey } = await import('node:crypto')
    const cipher = { cipher: 'aes-256-cbc', passphrase }
    const key = createPrivateKey(client.key)
      .export({ type: 'pkcs8', format: 'pem', ...cipher })
      .toString()
    await arrives(external('e2', { cert: client.cert, key }, { passphrase }))
    const wrong = await refusal(external('e2', { cert: client.cert, key }, { passphrase: `${passphrase}-not` }))
    expect(wrong).toMatchObject({ code: 'CDC_BROKER_TLS_FAILED', retryable: false })
  })

  it('is refused for a name that is no user', async () => {
    const unknown = authority.issue({ commonName: 'nobody' })
    expect(await refusal(external('e3', unknown))).toMatchObject({ code: 'CDC_BROKER_AUTH_FAILED', retryable: false })
  })

  it('is refused without a certificate', async () => {
    const options = secure('e4', { url: urlOf('127.0.0.1', ''), credentials: 'external' })
    expect(await refusal(options)).toMatchObject({ code: 'CDC_BROKER_AUTH_FAILED', retryable: false })
  })

  it('is not accepted with the certificate of another authority', async () => {
    const foreign = stranger.issue({ commonName: 'cdc-client' })
    expect(await refusal(external('e5', foreign))).toMatchObject({ code: 'CDC_BROKER_TLS_FAILED', retryable: false })
  })
})

it('has told no password, passphrase or key to anybody', () => {
  expect(told.length).toBeGreaterThan(30)
  expect(told.join('\n')).not.toMatch(/s3cret|guest:guest|PRIVATE KEY/)
})

/** Ends all connections of the virtual host but the observer's, and waits until the publisher knows. */
async function closeConnections(publisher: Parameters<typeof next>[0]): Promise<void> {
  const lost = next(publisher, 'disconnected')
  // The list of connections of the broker lags half a second behind.
  await expect.poll(() => rabbit.rabbitmqctl('list_connections', 'ssl'), { timeout: 10_000 }).toContain('true')
  await rabbit.rabbitmqctl('close_all_connections', '--vhost', vhost.name, 'injected')
  await lost
  await observeAgain()
}
