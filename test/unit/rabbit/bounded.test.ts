import { describe, expect, it } from 'vitest'
import { bounded } from '../../../src/rabbit/bounded.js'
import { HealthBoard } from '../../../src/rabbit/health-board.js'
import type { PartHealth } from '../../../src/types.js'
import { settledWithin } from '../../../src/waiting.js'

const never = new AbortController().signal

describe('bounded calls', () => {
  it('give the result, or the error', async () => {
    await expect(bounded(Promise.resolve(1), 1_000, 'answer', never)).resolves.toBe(1)
    await expect(bounded(Promise.reject(new Error('no')), 1_000, 'answer', never)).rejects.toThrow('no')
  })

  it('end by themselves, and hand over what comes too late', async () => {
    let arrive = (_: string): void => {}
    const call = new Promise<string>(resolve => {
      arrive = resolve
    })
    const late = new Promise(resolve => {
      const failed = bounded(call, 5, 'answer', never, resolve)
      failed.catch(error => {
        expect(error).toMatchObject({ code: 'CDC_BROKER_UNAVAILABLE', retryable: true })
        arrive('late')
      })
    })
    await expect(late).resolves.toBe('late')
  })

  it('end with the reason of the signal', async () => {
    const controller = new AbortController()
    const call = bounded(new Promise(() => {}), 60_000, 'answer', controller.signal)
    controller.abort(new Error('stop'))
    await expect(call).rejects.toThrow('stop')
    await expect(bounded(new Promise(() => {}), 60_000, 'answer', controller.signal)).rejects.toThrow('stop')
  })

  it('wait for settling without rejecting', async () => {
    await settledWithin(Promise.reject(new Error('no')), 1_000)
    await settledWithin(new Promise(() => {}), 5)
  })
})

describe('health board', () => {
  it('tells changes, and keeps since when it is so', async () => {
    const board = new HealthBoard('connecting')
    const seen: PartHealth[] = []
    const forget = board.listen(health => seen.push(health))
    const { since } = board.current
    board.set('connecting')
    board.set('connecting', 'refused')
    expect(board.current).toEqual({ ok: false, reason: 'connecting', since, error: 'refused' })
    board.set(undefined)
    board.set(undefined)
    expect(seen).toEqual([])
    await Promise.resolve()
    expect(seen.map(({ ok, error }) => [ok, error])).toEqual([
      [false, 'refused'],
      [true, undefined],
    ])
    forget()
    board.set('blocked')
    await Promise.resolve()
    expect(seen).toHaveLength(2)
  })
})
