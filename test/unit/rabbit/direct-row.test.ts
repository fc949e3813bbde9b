import { describe, expect, it } from 'vitest'
import { DirectRow } from '../../../src/rabbit/direct-row.js'

const wire = { exchange: '', routingKey: 'q', body: Buffer.from('x'), options: {} as never }

function setUp() {
  const told: unknown[] = []
  const answers = {
    confirmed: (token: string) => told.push(token),
    refused: (token: string, error: unknown) => told.push([token, error]),
  }
  return { told, row: (token: string) => new DirectRow(wire, answers, token), answers }
}

describe('a message without a promise', () => {
  it('is answered by its token, in the order of the answers, when the caller is through', async () => {
    const { told, row } = setUp()
    const error = new Error('no')
    row('a').resolve()
    row('b').reject(error)
    row('c').resolve()
    expect(told).toEqual([])
    await Promise.resolve()
    expect(told).toEqual(['a', ['b', error], 'c'])
  })

  it('is answered after one whose answer threw', async () => {
    const { told, row, answers } = setUp()
    const thrown = new Promise(resolve => process.once('uncaughtException', resolve))
    const listeners = process.listeners('uncaughtException').slice(0, -1)
    for (const listener of listeners) process.off('uncaughtException', listener)
    const bad = new DirectRow(wire, { ...answers, confirmed: () => raise() }, 'bad')
    bad.resolve()
    row('next').resolve()
    await thrown
    for (const listener of listeners) process.on('uncaughtException', listener)
    await Promise.resolve()
    expect(told).toEqual(['next'])
  })
})

function raise(): never {
  throw new Error('an answer threw')
}
