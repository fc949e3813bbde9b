import { afterEach, describe, expect, it, vi } from 'vitest'
import { bounded } from '../../../src/rabbit/bounded.js'
import { settledWithin } from '../../../src/waiting.js'

const never = new AbortController().signal

describe('bounded calls', () => {
  afterEach(() => {
    vi.useRealTimers()
  })

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

  it('leave no rejection unheard when they begin after the abort', async () => {
    const unheard: unknown[] = []
    const listen = (error: unknown) => unheard.push(error)
    process.on('unhandledRejection', listen)
    try {
      const call = Promise.reject(new Error('away'))
      await expect(bounded(call, 60_000, 'answer', AbortSignal.abort(new Error('stop')))).rejects.toThrow('stop')
      await new Promise(resolve => setImmediate(resolve))
      expect(unheard).toEqual([])
    } finally {
      process.off('unhandledRejection', listen)
    }
  })

  it('hand over a result that came in the same moment as the abort', async () => {
    const controller = new AbortController()
    const call = Promise.resolve('late')
    const discarded: string[] = []
    const ended = bounded(call, 60_000, 'answer', controller.signal, late => discarded.push(late))
    controller.abort(new Error('stop'))
    await expect(ended).rejects.toThrow('stop')
    expect(discarded).toEqual(['late'])
  })

  it('leave no timer behind, however they end', async () => {
    vi.useFakeTimers()
    const controller = new AbortController()
    await bounded(Promise.resolve(1), 60_000, 'answer', controller.signal)
    expect(vi.getTimerCount()).toBe(0)
    const call = bounded(new Promise(() => {}), 60_000, 'answer', controller.signal)
    controller.abort(new Error('stop'))
    await expect(call).rejects.toThrow('stop')
    await expect(bounded(new Promise(() => {}), 60_000, 'answer', controller.signal)).rejects.toThrow('stop')
    expect(vi.getTimerCount()).toBe(0)
  })

  it('wait for settling without rejecting', async () => {
    await settledWithin(Promise.reject(new Error('no')), 1_000)
    await settledWithin(new Promise(() => {}), 5)
  })
})
