import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { CdcError } from '../../../src/errors.js'
import { parseBrokerUrl, shuffled } from '../../../src/rabbit/broker-address.js'

const parse = (url: string, heartbeatMs?: number) => parseBrokerUrl('url', url, heartbeatMs)

function refusal(url: string): unknown {
  try {
    parse(url)
  } catch (error) {
    return error
  }
  throw new Error('The URL was accepted')
}

describe('broker address', () => {
  it('reads user, password, host, port and virtual host', () => {
    const { target, label } = parse('amqp://us%65r:p%40ss%2Fw%C3%B6rd@rabbit.example:5673/my%2Fhost')
    expect(target).toMatchObject({
      protocol: 'amqp',
      hostname: 'rabbit.example',
      port: 5673,
      username: 'user',
      password: 'p@ss/wörd',
      vhost: 'my%2Fhost',
      heartbeat: 10,
      frameMax: 131_072,
    })
    expect(label).toBe('rabbit.example:5673/my/host')
  })

  it('knows the defaults of the URI specification', () => {
    expect(parse('amqp://localhost')).toMatchObject({
      target: { port: 5672, username: 'guest', password: 'guest', vhost: '' },
      label: 'localhost:5672//',
    })
    expect(parse('amqps://localhost').target.port).toBe(5671)
    expect(parse('amqp://[::1]:5672').target.hostname).toBe('::1')
    expect(parse('amqp://').target.hostname).toBe('localhost')
  })

  it('takes the heartbeat from the option, then from the URL, in whole seconds', () => {
    expect(parse('amqp://h?heartbeat=30').target.heartbeat).toBe(30)
    expect(parse('amqp://h?heartbeat=30', 1_500).target.heartbeat).toBe(2)
    expect(parse('amqp://h?frameMax=8192&channelMax=5&locale=de').target).toMatchObject({
      frameMax: 8192,
      channelMax: 5,
      locale: 'de',
    })
  })

  it.each([
    ['nothing', ''],
    ['no URL', 'user:s3cret@host'],
    ['another protocol', 'https://user:s3cret@host'],
    ['a broken percent-encoding', 'amqp://user:s3cret%zz@host'],
    ['an unencoded slash in the password', 'amqp://user:12/s3cret@host'],
    ['an unencoded hash in the password', 'amqp://user:12#s3cret@host'],
    ['an unencoded question mark in the password', 'amqp://user:12?s3cret@host'],
    ['several hosts in one', 'amqp://user:s3cret@a,b:5672/v'],
    ['a parameter that is no number', 'amqp://user:s3cret@host?heartbeat=s3cret'],
  ])('refuses %s and shows nothing of it', (_, url) => {
    const error = refusal(url)
    expect(error).toBeInstanceOf(CdcError)
    expect(error).toMatchObject({ code: 'CDC_OPTION_INVALID' })
    expect(error).not.toHaveProperty('cause')
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('s3cret')
  })

  it('removes control characters from what is shown', () => {
    expect(parse('amqp://h/a%0ab').label).toBe('h:5672/a?b')
  })

  it('shuffles without losing any', () => {
    const items = [1, 2, 3, 4, 5]
    expect(shuffled(items, () => 0)).toEqual([2, 3, 4, 5, 1])
    expect(shuffled(items, Math.random).sort()).toEqual(items)
    expect(items).toEqual([1, 2, 3, 4, 5])
  })
})
