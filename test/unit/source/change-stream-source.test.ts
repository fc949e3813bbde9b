import type { MongoClient } from 'mongodb'
import { expect, it, vi } from 'vitest'
import { SourceError } from '../../../src/errors.js'
import { ChangeStreamSource } from '../../../src/source/change-stream-source.js'
import type { ChangeStreamSourceOptions } from '../../../src/source/source-options.js'
import type { PartHealth } from '../../../src/types.js'

/** A client whose server answers every command as `answer` does. */
function clientOf(answer: (command?: object) => Promise<unknown>, options: object = {}): MongoClient {
  const db = { command: answer }
  const fake = {
    connect: async () => fake,
    db: () => db,
    startSession: () => ({ endSession: async () => undefined }),
    options,
  }
  return fake as unknown as MongoClient
}

function sourceOf(
  answer: (command?: object) => Promise<unknown>,
  more: Partial<ChangeStreamSourceOptions> = {},
): ChangeStreamSource {
  return new ChangeStreamSource({ client: clientOf(answer), retry: { minDelayMs: 1, maxDelayMs: 1 }, ...more })
}

const never = (): Promise<never> => new Promise(() => undefined)
const away = (): Promise<never> => Promise.reject(new Error('read ECONNRESET'))

it.each([
  ['hangs', never],
  ['is away', away],
])('ends without an error when it is aborted while the server %s at the start', async (_, answer) => {
  const abort = new AbortController()
  const source = sourceOf(answer)
  const batches = source.open({ signal: abort.signal })
  const first = batches.next()
  setImmediate(() => abort.abort())
  expect(await first).toEqual({ done: true, value: undefined })
})

it.each([
  ['hangs', never],
  ['is away', away],
])('rejects the start position with the reason of the signal while the server %s', async (_, answer) => {
  const abort = new AbortController()
  const finding = sourceOf(answer).startPosition({ signal: abort.signal })
  setImmediate(() => abort.abort(new Error('enough')))
  await expect(finding).rejects.toThrow('enough')
})

it('waits for a server that is away, and tells of each attempt', async () => {
  const abort = new AbortController()
  const source = sourceOf(away)
  const told: unknown[] = []
  source.on('retry', retry => {
    told.push(retry.error)
    if (told.length === 3) abort.abort(new Error('enough'))
  })
  await expect(source.startPosition({ signal: abort.signal })).rejects.toThrow('enough')
  expect(told.every(error => error instanceof SourceError)).toBe(true)
  expect(source.health()).toMatchObject({ ok: false, reason: 'connecting' })
})

it('refuses a standalone server, with a hint', async () => {
  const finding = sourceOf(async () => ({ ok: 1, localTime: new Date() })).startPosition({
    signal: new AbortController().signal,
  })
  await expect(finding).rejects.toMatchObject({
    code: 'CDC_NOT_REPLICA_SET',
    hint: expect.stringContaining('--replSet'),
  })
})

it('is not disturbed by a listener that throws', async () => {
  const surprises: unknown[] = []
  const listener = (error: unknown): void => void surprises.push(error)
  const others = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException')
  process.on('uncaughtException', listener)
  try {
    const abort = new AbortController()
    const source = sourceOf(away)
    const healths: PartHealth[] = []
    source.onHealth(() => {
      throw new Error('thrown by a listener')
    })
    source.onHealth(health => healths.push(health))
    source.on('retry', () => {
      if (healths.length >= 1) abort.abort(new Error('enough'))
    })
    await expect(source.startPosition({ signal: abort.signal })).rejects.toThrow('enough')
    await new Promise(resolve => setImmediate(resolve))
    expect(surprises[0]).toMatchObject({ message: 'thrown by a listener' })
  } finally {
    process.off('uncaughtException', listener)
    for (const other of others) process.on('uncaughtException', other)
  }
})

it('warns of a client that is slow to notice a lost server, or that gives up reads before the server answers', async () => {
  const warnings = async (options: object): Promise<string[]> => {
    const abort = new AbortController()
    const source = new ChangeStreamSource({ client: clientOf(away, options) })
    const told: string[] = []
    source.on('warning', ({ message }) => told.push(message))
    source.on('retry', () => abort.abort())
    const after = { kind: 'time', clusterTime: { t: 1, i: 1 } } as const
    for await (const _ of source.open({ signal: abort.signal, after })) break
    return told
  }
  const quick = { serverSelectionTimeoutMS: 3000, socketTimeoutMS: 0, maxPoolSize: 100 }
  expect(await warnings(quick)).toEqual([])
  expect(await warnings({ ...quick, serverSelectionTimeoutMS: 30_000 })).toEqual([
    expect.stringContaining('serverSelectionTimeoutMS'),
  ])
  expect(await warnings({ ...quick, socketTimeoutMS: 900 })).toEqual([expect.stringContaining('socketTimeoutMS')])
  expect(await warnings({ ...quick, timeoutMS: 900 })).toEqual([expect.stringContaining('`timeoutMS`')])
  expect(await warnings({ ...quick, maxPoolSize: 1 })).toEqual([expect.stringContaining('maxPoolSize')])
})

it('tells once that the position is of another watch, however often the stream has to be opened', async () => {
  const abort = new AbortController()
  const hello = { setName: 'rs0', me: 'a:1', localTime: new Date(), operationTime: { t: 5, i: 1 } }
  const answer = (command?: object): Promise<unknown> =>
    command && 'hello' in command ? Promise.resolve(hello) : away()
  const source = sourceOf(answer, { reader: 'command' })
  const told: string[] = []
  source.on('watchChanged', () => told.push('watchChanged'))
  let retries = 0
  source.on('retry', () => {
    if (++retries === 3) abort.abort()
  })
  const origin = { deployment: 'rs0', watch: 'another' }
  const after = { kind: 'time', clusterTime: { t: 1, i: 1 }, origin } as const
  for await (const _ of source.open({ signal: abort.signal, after }));
  expect([retries, told]).toEqual([3, ['watchChanged']])
})

it('is not well from the first silence on, though the server answers elsewhere, until the next batch', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  try {
    const abort = new AbortController()
    const hello = { setName: 'rs0', me: 'a:1', localTime: new Date(), operationTime: { t: 5, i: 1 } }
    const id = { isZero: () => false }
    const reads: ((reply: unknown) => void)[] = []
    const answer = (command: object = {}): Promise<unknown> => {
      if ('getMore' in command) return new Promise(resolve => reads.push(resolve))
      return Promise.resolve('hello' in command ? hello : { cursor: { id, ns: 'd.c' } })
    }
    const source = sourceOf(answer, { reader: 'command' })
    const healths: string[] = []
    source.onHealth(({ ok, reason }) => healths.push(ok ? 'ok' : `${reason}`))
    const after = { kind: 'time', clusterTime: { t: 1, i: 1 } } as const
    const stream = source.open({ signal: abort.signal, after })
    const first = stream.next()
    await vi.waitFor(() => expect(reads).toHaveLength(1))
    reads[0]?.({ cursor: { id, nextBatch: [] } })
    await first
    const second = stream.next()
    await vi.advanceTimersByTimeAsync(7_000)
    expect(source.health()).toMatchObject({ ok: false, reason: 'slow', error: expect.stringContaining('6000 ms') })
    await vi.advanceTimersByTimeAsync(12_000)
    reads[1]?.({ cursor: { id, nextBatch: [] } })
    await second
    expect(source.health()).toMatchObject({ ok: true })
    expect([...new Set(healths)]).toEqual(['ok', 'slow'])
    abort.abort()
    await stream.return(undefined)
  } finally {
    vi.useRealTimers()
  }
})
