import { deepStrictEqual, ok, rejects, strictEqual } from 'node:assert/strict'
import type { Sink } from '../types.js'
import type { ContractCase } from './contract.js'

/** A sink to test, with the means to look behind it. */
export interface SinkUnderTest<M> {
  /** Not yet opened. */
  readonly sink: Sink<M>
  /** Message number `n`; different numbers give different messages. */
  message(n: number): M
  /** The numbers of the messages that have arrived, in their order. */
  received(): Promise<number[]>
  /** Makes the next message fail for itself alone, such as one over the size limit; absent where nothing can. */
  impossible?(): M
  /** Removes all that was made. */
  remove?(): Promise<void>
}

/**
 * What every sink has to do, as cases for any test framework. `make` is called once per case. What a sink heals (lost
 * connections) is beyond a suite that knows no broker.
 *
 * @example
 * import { describe, it } from 'node:test'
 * import { collectingSink, sinkContract } from 'mongo-rabbit-cdc/testing'
 *
 * function make() {
 *   const sink = collectingSink<number>()
 *   return { sink, message: (n: number) => n, received: async () => [...sink.messages] }
 * }
 * describe('my sink', () => {
 *   for (const { name, run } of sinkContract(make)) it(name, run)
 * })
 */
export function sinkContract<M>(make: () => SinkUnderTest<M> | Promise<SinkUnderTest<M>>): ContractCase[] {
  const cases: ContractCase[] = []
  function add(name: string, check: (under: SinkUnderTest<M>) => Promise<void>): void {
    const run = async (): Promise<void> => {
      const under = await make()
      try {
        await under.sink.open?.({ signal: new AbortController().signal })
        await check(under)
      } finally {
        await under.sink.close({ drainTimeoutMs: 1_000 })
        await under.remove?.()
      }
    }
    cases.push({ name, run })
  }

  add('has a message when its promise has resolved', async ({ sink, message, received }) => {
    await sink.publish(message(1), { id: 'id-1' })
    deepStrictEqual(await received(), [1])
  })

  add('keeps the order of calls that do not wait for each other', async ({ sink, message, received }) => {
    const numbers = Array.from({ length: 200 }, (_, index) => index + 1)
    await Promise.all(numbers.map(n => sink.publish(message(n), { id: `id-${n}` })))
    deepStrictEqual(await received(), numbers)
  })

  add('returns a promise from publish, and never throws', async ({ sink, message }) => {
    const published: unknown = sink.publish(message(1), { id: 'id-1' })
    ok(published instanceof Promise || typeof (published as PromiseLike<void>)?.then === 'function')
    await published
  })

  add('rejects what concerns one message alone, and takes the others', async under => {
    if (!under.impossible) return
    const { sink, message, received } = under
    const before = sink.publish(message(1), { id: 'id-1' })
    const refused = sink.publish(under.impossible(), { id: 'id-2' })
    const after = sink.publish(message(3), { id: 'id-3' })
    await rejects(refused)
    await Promise.all([before, after])
    deepStrictEqual(await received(), [1, 3])
  })

  add('tells a size that is a number of bytes, if it tells one', async ({ sink, message }) => {
    if (!sink.sizeOf) return
    const size = sink.sizeOf(message(1))
    ok(Number.isFinite(size) && size >= 0, `Expected a size from 0, got ${size}`)
  })

  add('is well when it is open, if it tells its health', async ({ sink }) => {
    if (sink.health) strictEqual(sink.health().ok, true)
  })

  add('finishes at close what it was given, takes nothing afterwards, and closes twice', async under => {
    const { sink, message, received } = under
    const published = sink.publish(message(1), { id: 'id-1' })
    await sink.close({ drainTimeoutMs: 5_000 })
    await published
    deepStrictEqual(await received(), [1])
    await rejects(sink.publish(message(2), { id: 'id-2' }))
    await sink.close()
  })
  return cases
}
