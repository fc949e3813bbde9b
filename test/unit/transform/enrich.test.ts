import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { enrich } from '../../../src/transform/enrich.js'
import { pipe } from '../../../src/transform/pipe.js'
import type { TransformContext } from '../../../src/types.js'
import { deferred } from '../../../src/waiting.js'

const retry = { minDelayMs: 1, maxDelayMs: 1 }
const sum = (a: number, b: number): number => a + b

function contextOf(signal: AbortSignal): TransformContext {
  return { event: {}, id: 'id', signal }
}

describe('enrich', () => {
  it('merges what was loaded', async () => {
    await expect(enrich(async (n: number) => n * 10, sum)(1)).resolves.toBe(11)
    await expect(enrich((n: number) => n * 10, sum)(1)).resolves.toBe(11)
  })

  it('tries again after an error, and no more than `attempts` times', async () => {
    const load = vi.fn(async (n: number) => {
      if (load.mock.calls.length < 3) throw new TypeError('not yet')
      return n
    })
    await expect(enrich(load, sum, { attempts: 3, retry })(1)).resolves.toBe(2)
    load.mockClear()
    await expect(enrich(load, sum, { attempts: 2, retry })(1)).rejects.toThrow('not yet')
    expect(load).toHaveBeenCalledTimes(2)
  })

  it('does not try again what says that it is in vain', async () => {
    const load = vi.fn(() => Promise.reject(Object.assign(new Error('no such customer'), { retryable: false })))
    await expect(enrich(load, sum, { retry })(1)).rejects.toThrow('no such customer')
    expect(load).toHaveBeenCalledOnce()
  })

  it('treats a throw of `load` like a rejection, and does not repeat it for a throw of `merge`', async () => {
    const thrower = vi.fn((): number => {
      throw new Error('at once')
    })
    await expect(enrich(thrower, sum, { attempts: 2, retry })(1)).rejects.toThrow('at once')
    expect(thrower).toHaveBeenCalledTimes(2)
    const load = vi.fn(async () => 1)
    const merge = (): number => {
      throw new Error('in merge')
    }
    await expect(enrich(load, merge, { retry })(1)).rejects.toThrow('in merge')
    expect(load).toHaveBeenCalledOnce()
  })

  it('ends at once, with its reason, when the pipeline gives up: within a call and within a delay', async () => {
    const stop = new AbortController()
    let seen: AbortSignal | undefined
    const calling = enrich((_: number, { signal }) => {
      seen = signal
      return new Promise<number>(() => {})
    }, sum)(1, contextOf(stop.signal))
    stop.abort(new Error('given up'))
    await expect(calling).rejects.toThrow('given up')
    expect(seen?.aborted).toBe(true)

    const again = new AbortController()
    const failed = deferred<void>()
    const load = vi.fn(async () => {
      failed.resolve()
      throw new Error('down')
    })
    const waiting = enrich(load, sum, { retry: { minDelayMs: 60_000 } })(1, contextOf(again.signal))
    await failed.promise
    setImmediate(() => again.abort(new Error('given up too')))
    await expect(waiting).rejects.toThrow('given up too')
    expect(load).toHaveBeenCalledOnce()
  })

  it('keeps the order of an array', async () => {
    const split = pipe(
      (n: number) => [n, n + 1, n + 2],
      enrich(async n => n * 10, sum),
    )
    await expect(split(1)).resolves.toEqual([11, 22, 33])
  })

  it('refuses at once what is no function, and values out of range', () => {
    expect(() => enrich(1 as never, sum)).toThrow('Expected `load of enrich` to be a function')
    expect(() => enrich(Number, 1 as never)).toThrow('Expected `merge of enrich` to be a function')
    const withOption = (options: object) => () => enrich(Number, sum, options)
    expect(withOption({ timeoutMs: 0 })).toThrow('Expected `timeoutMs` to be a whole number from 1')
    expect(withOption({ timeoutMs: null })).toThrow('Expected `timeoutMs`')
    expect(withOption({ attempts: 0 })).toThrow('Expected `attempts` to be a whole number from 1')
    expect(withOption({ retry: { minDelayMs: 0 } })).toThrow('Expected `retry.minDelayMs`')
    expect(withOption({ timeout: 1 })).toThrow(expect.objectContaining({ code: 'CDC_OPTION_UNKNOWN' }))
  })
})

describe('enrich, when nobody answers', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('aborts each attempt after `timeoutMs`, fails the event after the last and leaves no timer', async () => {
    const signals: AbortSignal[] = []
    const load = (_: number, { signal }: { signal: AbortSignal }): Promise<number> => {
      signals.push(signal)
      return new Promise(() => {})
    }
    const outcome = enrich(load, sum, { timeoutMs: 1_000, attempts: 3, retry })(1).catch(error => error)
    await vi.advanceTimersByTimeAsync(999)
    expect(signals.map(signal => signal.aborted)).toEqual([false])
    await vi.advanceTimersByTimeAsync(5_000)
    expect(await outcome).toMatchObject({ name: 'TransformError', code: 'CDC_ENRICH_TIMEOUT', retryable: false })
    expect(signals.map(signal => signal.aborted)).toEqual([true, true, true])
    expect(vi.getTimerCount()).toBe(0)
  })

  it('throws away an answer that comes too late', async () => {
    const late = deferred<number>()
    const answers = [late.promise, Promise.resolve(20)]
    const outcome = enrich(() => answers.shift() as Promise<number>, sum, { timeoutMs: 10, retry })(1)
    await vi.advanceTimersByTimeAsync(100)
    late.resolve(10)
    await expect(outcome).resolves.toBe(21)
  })
})
