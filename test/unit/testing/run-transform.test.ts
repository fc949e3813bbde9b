import { ObjectId } from 'mongodb'
import { describe, expect, it } from 'vitest'
import { documentMessage } from '../../../src/message/document-message.js'
import { bodyOf, changeEvents, runTransform } from '../../../src/testing/index.js'
import { filter } from '../../../src/transform/filter.js'
import { map } from '../../../src/transform/map.js'
import { pipe } from '../../../src/transform/pipe.js'

const events = changeEvents<{ _id: number; total: number }>()

describe('runTransform', () => {
  it('resolves with all outputs: one, several, or none when the event is filtered', async () => {
    expect(await runTransform((n: number) => n + 1, 1)).toEqual([2])
    expect(await runTransform(async (n: number) => [n, n * 2], 1)).toEqual([1, 2])
    expect(await runTransform((_: number) => null, 1)).toEqual([])
    expect(await runTransform((_: number): number[] => [], 1)).toEqual([])
  })

  it('runs a whole pipe down to the message', async () => {
    const transform = pipe(
      filter((event: ReturnType<typeof events.insert>) => event.fullDocument.total > 10),
      map(event => ({ ...event, fullDocument: { ...event.fullDocument, total: event.fullDocument.total * 2 } })),
      documentMessage(),
    )
    const [message] = await runTransform(transform, events.insert({ _id: 1, total: 12 }))
    expect(message && bodyOf(message)).toEqual({ total: 24, type: 'orders', entry_id: '1' })
    expect(await runTransform(transform, events.insert({ _id: 1, total: 1 }))).toEqual([])
  })

  it('fails a transform that mutates its input, however deep', async () => {
    const mutating = (event: { fullDocument: { total: number } }): unknown => {
      event.fullDocument.total = 0
      return event
    }
    await expect(runTransform(mutating, events.insert({ _id: 1, total: 1 }))).rejects.toThrow(TypeError)
  })

  it('leaves values of the driver as they are', async () => {
    const id = new ObjectId()
    const [output] = await runTransform((input: { id: ObjectId }) => input.id.toHexString(), { id })
    expect(output).toBe(id.toHexString())
    expect(Object.isFrozen(id)).toBe(false)
  })

  it('gives the context of a pipeline', async () => {
    const event = events.delete(1)
    const [context] = await runTransform((_: unknown, given) => given ?? null, event)
    expect(context).toMatchObject({ event, id: (event._id as { _data: string })._data })
    expect(context?.signal.aborted).toBe(false)
  })

  it.each([
    ['undefined', () => undefined],
    ['an array that holds undefined', () => [1, undefined]],
    ['a promise of undefined', async () => undefined],
  ])('fails a transform that returns %s, as the pipeline does', async (_, transform) => {
    await expect(runTransform(transform as never, 1)).rejects.toMatchObject({ code: 'CDC_TRANSFORM_UNDEFINED' })
  })
})
