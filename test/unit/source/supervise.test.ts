import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { SourceError } from '../../../src/errors.js'
import type { RawEvent, ReaderBatch } from '../../../src/source/reader.js'
import { supervise } from '../../../src/source/supervise.js'
import type { SourceRecord } from '../../../src/types.js'
import { type Answer, batch, event, FakeServer, origin, serverError, start, times, token } from './support.js'

type Records = SourceRecord<unknown>[]

/** Reads until the server keeps silent, then aborts; everything that was handed out. */
async function readAll(server: FakeServer, options: Parameters<FakeServer['supervised']>[0] = {}): Promise<Records> {
  const records: Records = []
  void server.silent.then(() => server.abort.abort())
  for await (const some of supervise(start, server.abort.signal, server.supervised(options))) records.push(...some)
  return records
}

const reset = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
const passing: [string, Error][] = [
  ['a reset connection', reset],
  ['a primary that steps down', serverError(189)],
  ['a killed cursor', serverError(237)],
  ['an unknown error', serverError(424_242)],
  ['a programming error', new TypeError('x is not a function')],
]

const surprises: unknown[] = []
const listener = (error: unknown): void => void surprises.push(error)
beforeEach(() => void process.on('unhandledRejection', listener))
afterEach(async () => {
  await new Promise(resolve => setImmediate(resolve))
  process.off('unhandledRejection', listener)
  expect(surprises.splice(0)).toEqual([])
})

/** Reads, aborts after so many turns of the promises, and waits for the end. */
async function abortedAfter(turns: number, server: FakeServer): Promise<void> {
  const reading = supervise(start, server.abort.signal, server.supervised())
  const all = (async () => {
    for await (const _ of reading);
  })()
  for (let turn = 0; turn < turns; turn++) await Promise.resolve()
  server.abort.abort()
  await all
}

describe('after a fault that passes', () => {
  it.each(passing)('goes on behind the last event it handed out: %s', async (_, error) => {
    const server = new FakeServer([[batch(), batch(2, 3), error], [batch(), batch(4), error], error, [batch(5)]])
    expect(times(await readAll(server))).toEqual([2, 3, 4, 5])
    expect(server.openedAt.map(position => position.clusterTime.t)).toEqual([1, 3, 4, 4])
    expect(server.closed).toBe(3)
  })

  it('goes on behind a mark without event', async () => {
    const server = new FakeServer([[batch(), { ...batch(2), highWaterMark: token(7) }, reset], [batch(8)]])
    expect(times(await readAll(server))).toEqual([2, 8])
    expect(server.openedAt[1]).toMatchObject({ kind: 'highWaterMark', clusterTime: { t: 7 } })
  })

  it('hands out what stands before an event that can not be decoded, and goes no further', async () => {
    const undecodable: RawEvent = {
      size: 10,
      get event(): never {
        throw new SourceError('CDC_EVENT_UNDECODABLE', 'no BSON')
      },
    }
    const events = [...batch(1, 2).events, undecodable, ...batch(3).events]
    const server = new FakeServer([[{ events, closed: false }]])
    const got: Records = []
    const failed = (async () => {
      for await (const some of supervise(start, server.abort.signal, server.supervised()))
        got.push(...(some as Records))
    })()
    await expect(failed).rejects.toMatchObject({ code: 'CDC_EVENT_UNDECODABLE' })
    expect(got).toMatchObject([{ id: token(1, 1)._data }, { id: token(2, 2)._data }])
  })

  it('does not count a batch that was read ahead but never handed out', async () => {
    const server = new FakeServer([[batch(), batch(2), batch(3)]])
    const reading = supervise(start, server.abort.signal, server.supervised())
    await reading.next()
    const { value } = await reading.next()
    expect(times(value as Records)).toEqual([2])
    await reading.return()
    expect(server.closed).toBe(1)
  })

  it('tells of the break, the attempt and the new opening', async () => {
    const server = new FakeServer([[batch(2), reset], [batch(3)]])
    await readAll(server)
    expect(server.names()).toEqual(['opened', 'healthy', 'broken', 'retry', 'opened', 'healthy'])
    const opened = server.told.filter(([name]) => name === 'opened')
    expect(opened.map(([, after, again]) => [(after as { clusterTime: unknown }).clusterTime, again])).toEqual([
      [{ t: 1, i: 1 }, false],
      [{ t: 2, i: 1 }, true],
    ])
  })

  it('waits longer each time while nothing gets better, also when only the opening works', async () => {
    const failing = Array.from({ length: 5 }, (): Answer[] => [batch(), reset])
    const server = new FakeServer([...failing, reset, reset, [batch(), batch(2), reset], [batch(3)]])
    await readAll(server, { minDelayMs: 2, maxDelayMs: 1000, random: () => 0.1 })
    const attempts = server.told
      .filter(([name]) => name === 'retry')
      .map(([, retry]) => (retry as { attempt: number }).attempt)
    expect(attempts).toEqual([1, 2, 3, 4, 5, 6, 7, 1])
  })

  it('closes the broken reader without waiting for the delay', async () => {
    const server = new FakeServer([[batch(2), reset], [batch(3)]])
    const reading = supervise(start, server.abort.signal, server.supervised({ minDelayMs: 60_000, maxDelayMs: 60_000 }))
    await reading.next()
    const next = reading.next()
    await vi.waitFor(() => expect(server.names()).toContain('retry'))
    expect(server.closed).toBe(1)
    server.abort.abort()
    expect(await next).toEqual({ done: true, value: undefined })
  })
})

describe('an access error', () => {
  it.each([13, 18])('is fatal at the start: %i', async code => {
    await expect(readAll(new FakeServer([serverError(code)]))).rejects.toMatchObject({ code: /^CDC_SOURCE_/ })
    await expect(readAll(new FakeServer([[serverError(code)]]))).rejects.toBeTruthy()
  })

  it('is tried again later, slowly, when the stream once stood', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    try {
      const server = new FakeServer([[batch(2), serverError(13)], serverError(13), [batch(3)]])
      const reading = readAll(server)
      await vi.advanceTimersByTimeAsync(2_000)
      await vi.waitFor(() => expect(server.names()).toContain('retry'))
      await vi.advanceTimersByTimeAsync(60_000)
      await vi.waitFor(async () => {
        await vi.advanceTimersByTimeAsync(10_000)
        expect(server.openedAt).toHaveLength(3)
      })
      expect(times(await reading)).toEqual([2, 3])
      const delays = server.told
        .filter(([name]) => name === 'retry')
        .map(([, retry]) => (retry as { delayMs: number }).delayMs)
      expect(delays.every(delay => delay >= 2_500)).toBe(true)
    } finally {
      vi.useRealTimers()
    }
  })
})

describe('a position that the server does not find', () => {
  it('is replaced once by its time, and the server is told nothing else', async () => {
    const server = new FakeServer([[batch(2), reset], [serverError(280)], [batch(2, 3)]])
    expect(times(await readAll(server))).toEqual([2, 2, 3])
    expect(server.openedAt.at(-1)).toEqual({ kind: 'time', clusterTime: { t: 2, i: 1 }, origin })
    expect(server.names().filter(name => name === 'positionFallback')).toHaveLength(1)
  })

  it('stops the stream when its time is not found either', async () => {
    const server = new FakeServer([[batch(2), reset], serverError(280), serverError(280)])
    await expect(readAll(server)).rejects.toMatchObject({ code: 'CDC_POSITION_NOT_FOUND' })
  })

  it('stops the stream when going back brings the same events and the same error again', async () => {
    const again: Answer[] = [batch(2), serverError(280)]
    const server = new FakeServer([again, again, again, again, again])
    await expect(readAll(server)).rejects.toMatchObject({ code: 'CDC_POSITION_NOT_FOUND' })
    expect(server.openedAt.length).toBeLessThan(4)
  })

  it('may be replaced again later in the stream', async () => {
    const server = new FakeServer([[batch(2), serverError(280)], [batch(2, 3), serverError(280)], [batch(3, 4)]])
    expect(times(await readAll(server))).toEqual([2, 2, 3, 3, 4])
  })
})

describe('lost history', () => {
  it.each([286, 136])('stops the stream and is told, for error %i', async code => {
    const server = new FakeServer([[batch(2), serverError(code)]])
    await expect(readAll(server)).rejects.toMatchObject({ code: 'CDC_HISTORY_LOST' })
    const [, from, to] = server.told.find(([name]) => name === 'historyLost') ?? []
    expect([from, to]).toMatchObject([{ clusterTime: { t: 2 } }, { clusterTime: { t: 1000 } }])
  })

  it('stops the stream and tells one time where the server can not say what "now" is', async () => {
    const server = new FakeServer([[batch(2), serverError(286)]])
    const now = () => Promise.reject(reset)
    await expect(readAll(server, { now })).rejects.toMatchObject({ code: 'CDC_HISTORY_LOST' })
    const [, from, to] = server.told.find(([name]) => name === 'historyLost') ?? []
    expect([from, to]).toMatchObject([{ clusterTime: { t: 2 } }, undefined])
  })

  it('is left behind with "now", and both times are told', async () => {
    const server = new FakeServer([[batch(2), serverError(286)], [batch(1001)]])
    expect(times(await readAll(server, { onHistoryLost: 'now' }))).toEqual([2, 1001])
    const [, from, to] = server.told.find(([name]) => name === 'historyLost') ?? []
    expect([from, to]).toMatchObject([{ clusterTime: { t: 2 } }, { clusterTime: { t: 1000 } }])
  })

  it('is not left behind while the server can not tell what "now" is', async () => {
    const server = new FakeServer([[batch(2), serverError(286)], serverError(286), [batch(1001)]])
    let asked = 0
    const now = async () => {
      if (++asked === 1) throw reset
      return { kind: 'time' as const, clusterTime: { t: 1000, i: 1 }, origin }
    }
    await readAll(server, { onHistoryLost: 'now', now })
    expect(server.openedAt.map(position => position.clusterTime.t)).toEqual([1, 2, 1000])
    expect(server.names().filter(name => name === 'historyLost')).toHaveLength(1)
  })
})

describe('a closed cursor', () => {
  it('is opened again behind an invalidate', async () => {
    const invalidate = {
      events: [event(3, { operationType: 'invalidate', ns: undefined, documentKey: undefined })],
      closed: true,
    }
    const server = new FakeServer([[batch(2), invalidate], [batch(4)]])
    expect(times(await readAll(server))).toEqual([2, 3, 4])
    expect(server.openedAt[1]).toMatchObject({ kind: 'event', clusterTime: { t: 3 } })
    expect(server.names()).toEqual(['opened', 'healthy', 'healthy', 'invalidated', 'opened', 'healthy'])
  })

  it.each([
    ['an event', { ...batch(3), closed: true }],
    ['a mark', { events: [], highWaterMark: token(3), closed: true }],
  ])('is opened again without an error where the filter hides the invalidate behind %s', async (_, closing) => {
    const server = new FakeServer([[batch(2), closing], [batch(4)]])
    expect(times(await readAll(server)).at(-1)).toBe(4)
    expect(server.openedAt[1]).toMatchObject({ clusterTime: { t: 3 } })
    expect(server.names()).toEqual(['opened', 'healthy', 'healthy', 'invalidated', 'opened', 'healthy'])
  })

  it('without anything new is a fault that passes', async () => {
    const same = { events: [], highWaterMark: token(2, 2), closed: true }
    const server = new FakeServer([[batch(2), same], [same], [batch(4)]])
    expect(times(await readAll(server))).toEqual([2, 4])
    const attempts = server.told.flatMap(([name, retry]) => (name === 'retry' ? [retry] : []))
    expect(attempts).toMatchObject([{ attempt: 1 }, { attempt: 2 }])
    expect(server.names()).not.toContain('invalidated')
  })
})

describe('an event that is too large', () => {
  const tooLarge = serverError(10334)
  const alone = (t: number): ReaderBatch => ({
    events: [{ ...event(t), oversized: 'key-only' }],
    closed: false,
    handover: true,
  })

  it('is approached one by one, read cut, and left behind: nothing is lost, doubled or waited for', async () => {
    const server = new FakeServer([
      [batch(2), tooLarge],
      [batch(), batch(3), batch(4), tooLarge],
      [batch(), alone(5)],
      [batch(6)],
    ])
    const delays = { minDelayMs: 60_000, maxDelayMs: 60_000, random: () => 1 }
    expect(times(await readAll(server, delays))).toEqual([2, 3, 4, 5, 6])
    expect(server.openedAt.map(position => position.clusterTime.t)).toEqual([1, 2, 4, 5])
    expect(server.approaches).toEqual(['batches', 'one-by-one', 'cut', 'batches'])
    expect(server.names()).not.toContain('retry')
    expect(server.names()).not.toContain('broken')
    expect(server.told.filter(([name]) => name === 'oversized')).toEqual([
      ['oversized', { clusterTime: { t: 5, i: 1 }, id: token(5, 5)._data, outcome: 'key-only' }],
    ])
    expect(server.closed).toBe(4)
  })

  it('may be followed by more of its kind', async () => {
    const one = (t: number): Answer[][] => [[tooLarge], [tooLarge], [alone(t)]]
    const server = new FakeServer([...one(2), ...one(3), ...one(4), [batch(5)]])
    expect(times(await readAll(server))).toEqual([2, 3, 4, 5])
    expect(server.openedAt.map(position => position.clusterTime.t)).toEqual([1, 1, 1, 2, 2, 2, 3, 3, 3, 4])
  })

  it('is read by its key where it is too large without its documents too', async () => {
    const server = new FakeServer([[tooLarge], [tooLarge], [tooLarge], [alone(2)], [batch(3)]])
    expect(times(await readAll(server))).toEqual([2, 3])
    expect(server.approaches).toEqual(['batches', 'one-by-one', 'cut', 'key', 'batches'])
  })

  it('stops the stream only when not even its key can be sent: it is never passed over, nor asked for without end', async () => {
    const server = new FakeServer([[batch(2), tooLarge], [tooLarge], [tooLarge], [tooLarge], [batch(4)]])
    await expect(readAll(server)).rejects.toMatchObject({ code: 'CDC_EVENT_TOO_LARGE', retryable: false })
    expect(server.openedAt).toHaveLength(4)
    expect(server.closed).toBe(4)
  })

  it.each([1, 2, 3])('is approached anew after a fault at step %i', async step => {
    const approaching: Answer[][] = [
      [batch(), tooLarge],
      [batch(), tooLarge],
      [batch(), alone(2)],
    ]
    const broken = [...approaching.slice(0, step - 1), [batch(), reset] as Answer[]]
    const server = new FakeServer([...broken, ...approaching, [batch(3)]])
    expect(times(await readAll(server))).toEqual([2, 3])
    expect(server.approaches.slice(broken.length)).toEqual(['batches', 'one-by-one', 'cut', 'batches'])
    expect(server.names().filter(name => name === 'retry')).toHaveLength(1)
  })

  it('is no longer sought where it has become small: then the stream is read in batches again', async () => {
    const enough = { ...batch(2, 3), handover: true }
    const server = new FakeServer([[tooLarge], [enough], [batch(4)]])
    expect(times(await readAll(server))).toEqual([2, 3, 4])
    expect(server.approaches).toEqual(['batches', 'one-by-one', 'batches'])
    expect(server.names()).not.toContain('invalidated')
  })

  it('that came in parts has the position of its last and the id of its first', async () => {
    const joined = { ...event(3), id: 'first', oversized: 'split' as const }
    const server = new FakeServer([[{ events: [event(2), joined], closed: false }]])
    const records = await readAll(server)
    expect(records.map(({ id, position }) => [id, position.token])).toEqual([
      [token(2, 2)._data, token(2, 2)],
      ['first', token(3, 3)],
    ])
    const [told] = server.told.filter(([name]) => name === 'oversized')
    expect(told?.[1]).toEqual({ clusterTime: { t: 3, i: 1 }, id: 'first', outcome: 'split' })
  })

  it.each([0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30])(
    'does not hold up an abort (%i turns in)',
    async turns => {
      const server = new FakeServer([[batch(2), tooLarge], [batch(3), tooLarge], [batch(), alone(4)], [batch(5)]])
      await abortedAfter(turns, server)
      expect(server.closed).toBe(server.openedAt.length)
    },
  )
})

it.each([40573, 166, 47, 260])('stops at error %i, which can not heal', async code => {
  const server = new FakeServer([[batch(2), serverError(code)]])
  await expect(readAll(server)).rejects.toMatchObject({ retryable: false })
  expect(server.closed).toBe(1)
})

it('leaves a server that is silent everywhere, and goes on elsewhere', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  try {
    const server = new FakeServer([[batch(2), 'silence'], [batch(3)]])
    server.alive = false
    const reading = supervise(start, server.abort.signal, server.supervised())
    await reading.next()
    const next = reading.next()
    await server.silent
    await vi.advanceTimersByTimeAsync(6_001)
    await vi.waitFor(() => expect(server.names()).toContain('retry'))
    await vi.advanceTimersByTimeAsync(1_000)
    expect(times((await next).value as Records)).toEqual([3])
    await reading.return()
    expect(vi.getTimerCount()).toBe(0)
  } finally {
    vi.useRealTimers()
  }
})

it('is as patient with the first answer as with all others, since not every reader can shorten it', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  try {
    const server = new FakeServer([['silence']])
    const reading = supervise(start, server.abort.signal, server.supervised({ maxAwaitTimeMS: 20_000 }))
    const next = reading.next()
    await server.silent
    await vi.advanceTimersByTimeAsync(24_000)
    expect(server.names()).toEqual([])
    server.abort.abort()
    expect(await next).toEqual({ done: true, value: undefined })
  } finally {
    vi.useRealTimers()
  }
})

it('opens again when a read stays without answer though the server lives, and is twice as patient each time', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  try {
    const minutes = 60_000
    const server = new FakeServer([['silence'], [batch(), 'silence'], [batch(2), batch(), 'silence'], ['silence']])
    const gaveUp: number[] = []
    const tell = { ...server.supervised().tell }
    let opened = 0
    const { retry } = tell
    tell.retry = failed => {
      gaveUp.push(Math.round((performance.now() - opened) / minutes))
      retry(failed)
    }
    const { open } = server.supervised()
    const reading = supervise(start, server.abort.signal, {
      ...server.supervised({ tell }),
      open: async (position, approach) => {
        opened = performance.now()
        return await open(position, approach)
      },
    })
    const all = (async () => {
      for await (const _ of reading);
    })()
    for (let step = 0; step < 63 * 6; step++) {
      await vi.advanceTimersByTimeAsync(10_000)
      await new Promise(resolve => setImmediate(resolve))
    }
    expect(gaveUp).toEqual([10, 20, 10, 20])
    server.abort.abort()
    await all
    expect(vi.getTimerCount()).toBe(0)
  } finally {
    vi.useRealTimers()
  }
})

it('tells that all is well as soon as a slow batch arrives, not only when somebody takes it', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  try {
    const server = new FakeServer([[batch(2), 'silence']])
    let answer: (late: ReaderBatch) => void = () => undefined
    const supervised = server.supervised()
    const open: typeof supervised.open = async (position, approach) => {
      const opened = await supervised.open(position, approach)
      const late = new Promise<ReaderBatch>(resolve => {
        answer = resolve
      })
      const nextBatch = (ms: number): Promise<ReaderBatch> => Promise.race([opened.reader.nextBatch(ms), late])
      return { ...opened, reader: { ...opened.reader, nextBatch } }
    }
    const reading = supervise(start, server.abort.signal, { ...supervised, open })
    await reading.next()
    await server.silent
    await vi.advanceTimersByTimeAsync(6_001)
    expect(server.names()).toEqual(['opened', 'healthy', 'watchdog'])
    answer(batch(3))
    await vi.advanceTimersByTimeAsync(1)
    expect(server.names()).toEqual(['opened', 'healthy', 'watchdog', 'healthy'])
    await reading.return()
  } finally {
    vi.useRealTimers()
  }
})

describe('an abort', () => {
  it('before the start opens nothing', async () => {
    const server = new FakeServer([[batch(2)]])
    server.abort.abort()
    expect(await readAll(server)).toEqual([])
    expect(server.openedAt).toEqual([])
  })

  it('while the stream is opened ends at once, and closes what opens later', async () => {
    const server = new FakeServer([[batch(2)]])
    const { open, ...rest } = server.supervised()
    let finish: () => void = () => undefined
    const slow: typeof open = async (position, approach) => {
      await new Promise<void>(resolve => {
        finish = resolve
      })
      return await open(position, approach)
    }
    const next = supervise(start, server.abort.signal, { ...rest, open: slow }).next()
    await new Promise(resolve => setImmediate(resolve))
    server.abort.abort()
    expect(await next).toEqual({ done: true, value: undefined })
    finish()
    await vi.waitFor(() => expect(server.closed).toBe(1))
  })

  it('hands out nothing more, not even what was read ahead, and asks for nothing more', async () => {
    const server = new FakeServer([[batch(), batch(2), batch(3), batch(4)]])
    const reading = supervise(start, server.abort.signal, server.supervised())
    await reading.next()
    await reading.next()
    await new Promise(resolve => setImmediate(resolve))
    server.abort.abort()
    expect(await reading.next()).toEqual({ done: true, value: undefined })
    expect(server.reads).toBe(3)
  })

  it('during a delay ends at once', async () => {
    const server = new FakeServer([[batch(2), reset]])
    const reading = supervise(start, server.abort.signal, server.supervised({ minDelayMs: 60_000, maxDelayMs: 60_000 }))
    await reading.next()
    const next = reading.next()
    await vi.waitFor(() => expect(server.names()).toContain('retry'))
    server.abort.abort()
    expect(await next).toEqual({ done: true, value: undefined })
  })

  it.each([0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20])(
    'ends without an error and closes the reader, whenever it comes (%i turns in)',
    async turns => {
      const server = new FakeServer([[batch(), batch(2), batch(3), batch(4), batch(5), reset], [batch(6)]])
      await abortedAfter(turns, server)
      expect(server.closed).toBe(server.openedAt.length)
    },
  )
})

it('leaves no timer, no listener and no open reader behind when the consumer breaks early', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  try {
    const server = new FakeServer([[batch(2), 'silence']])
    const added = vi.spyOn(server.abort.signal, 'addEventListener')
    const removed = vi.spyOn(server.abort.signal, 'removeEventListener')
    for await (const _ of supervise(start, server.abort.signal, server.supervised())) break
    expect(vi.getTimerCount()).toBe(0)
    expect(server.closed).toBe(1)
    expect(added.mock.calls.length).toBe(removed.mock.calls.length)
  } finally {
    vi.useRealTimers()
  }
})

it('combines signals once for a stream, not once for a batch: what Node remembers of that is never forgotten', async () => {
  const any = vi.spyOn(AbortSignal, 'any')
  const many = Array.from({ length: 50 }, (_, n) => batch(n + 2))
  const server = new FakeServer([many])
  expect(await readAll(server)).toHaveLength(50)
  expect(any.mock.calls.length).toBeLessThan(2)
  any.mockRestore()
})
