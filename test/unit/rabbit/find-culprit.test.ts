import { describe, expect, it } from 'vitest'
import { judge } from '../../../src/rabbit/find-culprit.js'
import type { WireMessage } from '../../../src/rabbit/message-check.js'
import { planTopology, type TopologyMode } from '../../../src/rabbit/topology.js'

const message = (exchange: string, size = 1) => ({ exchange, body: Buffer.alloc(size) }) as unknown as WireMessage
const withCode = (code: number, text: string) => Object.assign(new Error(text), { code })
const context = (topology: TopologyMode = 'assert') => ({
  exchange: 'cdc',
  topology: planTopology({ exchange: { name: 'cdc' }, topology }),
})
const notFound = (name: string) => withCode(404, `NOT_FOUND - no exchange '${name}' in vhost '/'`)

describe('verdict on a lost channel', () => {
  it('blames no message for what concerns the connection', () => {
    for (const error of [new Error('Heartbeat timeout'), withCode(320, 'shutdown'), withCode(506, 'x'), undefined]) {
      expect(judge(error, [message('cdc')], context()).kind).toBe('transport')
    }
    expect(judge(notFound('nope'), [], context()).kind).toBe('transport')
  })

  it('points at the first message for an exchange that does not exist', () => {
    const inFlight = [message('cdc'), message('nope'), message('nope')]
    expect(judge(notFound('nope'), inFlight, context())).toEqual({ kind: 'culprit', row: inFlight[1] })
  })

  it('points at the first message of the size that is too large', () => {
    const inFlight = [message('cdc'), message('cdc', 30), message('cdc', 30)]
    const error = withCode(406, 'PRECONDITION_FAILED - message size 30 is larger than configured max size 20')
    expect(judge(error, inFlight, context())).toEqual({ kind: 'culprit', row: inFlight[1] })
  })

  it('has several suspects when the text points at nobody', () => {
    const error = withCode(406, 'PRECONDITION_FAILED - invalid something')
    expect(judge(error, [message('cdc'), message('cdc')], context()).kind).toBe('suspects')
  })

  it('takes what was alone in flight for the culprit', () => {
    const alone = message('cdc')
    expect(judge(withCode(406, 'odd'), [alone], context())).toEqual({ kind: 'culprit', row: alone })
  })

  it('restores the own exchange instead of blaming a message', () => {
    expect(judge(notFound('cdc'), [message('cdc')], context()).kind).toBe('heal')
    expect(judge(notFound('cdc'), [message('cdc')], context('check')).kind).toBe('heal')
    expect(judge(notFound('cdc'), [message('cdc')], context('none')).kind).toBe('culprit')
  })

  it('blames nobody when the user may not write to the own exchange', () => {
    const refusal = (name: string) => withCode(403, `access to exchange '${name}' in vhost 'v' refused for user 'u'`)
    expect(judge(refusal('cdc'), [message('cdc')], context()).kind).toBe('access')
    expect(judge(refusal('other'), [message('cdc'), message('other')], context()).kind).toBe('suspects')
    const plain = { exchange: '', topology: planTopology({}) }
    expect(judge(refusal('amq.default'), [message('')], plain).kind).toBe('access')
  })
})
