import { describe, expect, it } from 'vitest'
import { checkHistory } from '../../faults/check-history.js'
import type { History, LogEntry } from '../../faults/history.js'
import {
  A,
  arrival,
  B,
  begun,
  C,
  confirmed,
  D,
  delivered,
  final,
  historyOf,
  killed,
  logOf,
  saved,
  sent,
  stopped,
  truth,
} from './support/histories.js'

/** What is found, and how often. */
function found(more: Partial<History>): Record<string, number> {
  return Object.fromEntries(checkHistory(historyOf(more)).violations.map(({ kind, count }) => [kind, count]))
}

/** One life between the first save and the last. */
function life(...entries: readonly (readonly LogEntry[])[]) {
  return logOf(begun(), saved('82'), ...entries, stopped, final)
}

const all = [A, B, C, D].map(token => arrival(token))
const reconnected: LogEntry[] = [{ kind: 'disconnected' }, { kind: 'connected', resent: 1 }]

it('finds nothing in a run in which nothing went wrong', () => {
  const { violations, figures } = checkHistory(historyOf())
  expect(violations).toEqual([])
  expect(figures).toMatchObject({ events: 4, arrived: 4, copies: 0, saves: 2, recoveryMs: 500 })
})

describe('loss', () => {
  it('is found when an event is in no queue', () => {
    expect(found({ arrivals: all.slice(0, 3) })).toEqual({ lost: 1 })
  })

  it('is none when the event lies with the dead letters', () => {
    expect(found({ arrivals: all.slice(0, 3), letters: [arrival(D)] })).toEqual({})
  })

  it('is none when it was announced, of one event or of a stretch', () => {
    const skipped = life(delivered(A, B, C), [{ kind: 'skipped', id: D }], saved(D))
    expect(found({ arrivals: all.slice(0, 3), log: skipped })).toEqual({})
    const stretch = life(delivered(A), [{ kind: 'historyLost', from: B, to: D }], delivered(D), saved(D))
    expect(found({ arrivals: [arrival(A), arrival(D)], log: stretch })).toEqual({})
  })

  it('is found outside of the stretch that was announced', () => {
    const log = life(delivered(A), [{ kind: 'historyLost', from: B, to: C }], delivered(D), saved(D))
    expect(found({ arrivals: [arrival(A), arrival(D)], log })).toMatchObject({ lost: 1 })
  })
})

describe('what nobody wrote', () => {
  it('is found when a message is of no event', () => {
    expect(found({ arrivals: [...all, arrival('82FF')] })).toEqual({ unexpected: 1 })
  })

  it('is found the other way round, when an acknowledged write is no event, or too few', () => {
    expect(found({ acknowledged: [{ mark: 'w-9', count: 1 }] })).toEqual({ unknownWrite: 1 })
    const twice = { mark: 'w-0', count: 1 }
    expect(found({ acknowledged: [twice, twice] })).toEqual({ unknownWrite: 1 })
  })

  it('may be an event whose write was not acknowledged', () => {
    expect(found({ acknowledged: [] })).toEqual({})
  })
})

describe('order', () => {
  it('is broken by an event that arrives for the first time after a newer one of its document', () => {
    const arrivals = [C, B, A, D].map(token => arrival(token))
    expect(found({ arrivals })).toEqual({ order: 1, staleLast: 1 })
  })

  it('holds between documents in whatever order they arrive', () => {
    expect(found({ arrivals: [B, D, A, C].map(token => arrival(token)) })).toEqual({})
  })

  it('is not broken by an event that had become a dead letter, and comes after all', () => {
    const log = life(delivered(A, B, C, D), reconnected, saved(D))
    const arrivals = [B, C, A, C, D].map(token => arrival(token))
    expect(found({ arrivals, letters: [arrival(A, { messageId: 'letter' })], log })).toEqual({})
  })

  it('ends with the newest of each document, unless a connection was given up under an older one', () => {
    const arrivals = [...all, arrival(A)]
    const never = life(delivered(A), reconnected, delivered(B, C, D), saved(D))
    expect(found({ arrivals, log: never })).toEqual({ staleLast: 1 })
    const givenUp = life(sent(A), reconnected, confirmed(A), delivered(B, C, D), saved(D))
    expect(found({ arrivals, log: givenUp })).toEqual({})
    expect(checkHistory(historyOf({ arrivals, log: givenUp })).figures.lateCopies).toBe(1)
  })
})

describe('positions', () => {
  it('must not be saved before everything up to them is confirmed', () => {
    expect(found({ log: life(sent(A, B), confirmed(B), saved(B), confirmed(A), delivered(C, D)) })).toEqual({
      passedUnconfirmed: 1,
    })
    expect(found({ log: life(delivered(A, B), saved(C), delivered(C, D)) })).toEqual({ passedUnconfirmed: 1 })
  })

  it('may be saved behind dead letters that are confirmed, and not before', () => {
    const sending: LogEntry = { kind: 'sent', id: B, letter: true }
    const taken: LogEntry = { kind: 'confirmed', id: B, letter: true }
    const rest = { arrivals: [A, C, D].map(token => arrival(token)), letters: [arrival(B, { messageId: 'letter' })] }
    expect(found({ ...rest, log: life(delivered(A), [sending, taken], saved(B), delivered(C, D)) })).toEqual({})
    expect(found({ ...rest, log: life(delivered(A), [sending], saved(B), [taken], delivered(C, D)) })).toEqual({
      passedUnconfirmed: 1,
    })
  })

  it('count what a process had confirmed before it was killed', () => {
    const log = logOf(
      begun(),
      saved('82'),
      delivered(A, B),
      killed,
      begun('82'),
      delivered(C, D),
      saved(D),
      stopped,
      final,
    )
    expect(found({ log })).toEqual({})
  })

  it('must not go back while one process runs', () => {
    expect(found({ log: life(delivered(A, B, C, D), saved(C), saved(B), saved(D)) })).toEqual({ wentBack: 1 })
  })

  it('must not go back over a restart, other than from one that was never known to be saved', () => {
    const back = logOf(
      begun(),
      saved('82'),
      delivered(A, B, C, D),
      saved(C),
      killed,
      begun(B),
      saved(D),
      stopped,
      final,
    )
    expect(found({ log: back })).toEqual({ wentBack: 1 })
    const gone = logOf(begun(), saved('82'), delivered(A, B, C, D), saved(C), killed, begun(), saved(D), stopped, final)
    expect(found({ log: gone })).toEqual({ wentBack: 1 })
    const saving: LogEntry[] = [{ kind: 'saving', key: C }]
    const cut = logOf(
      begun(),
      saved('82'),
      delivered(A, B, C, D),
      saving,
      killed,
      begun('82'),
      saved(D),
      stopped,
      final,
    )
    expect(found({ log: cut })).toEqual({})
  })

  it('may go back to the time that the source says it reads again', () => {
    const fallback: LogEntry[] = [{ kind: 'fallback', head: '82B' }]
    expect(found({ log: life(delivered(A, B, C), saved(C), fallback, saved(B), delivered(D), saved(D)) })).toEqual({})
  })
})

describe('copies', () => {
  const arrivals = [...all, arrival(D)]

  it('are too many when nothing was lost that would explain them', () => {
    expect(found({ arrivals })).toEqual({ copies: 1 })
  })

  it('are explained by what was sent again over a new connection', () => {
    expect(found({ arrivals, log: life(delivered(A, B, C, D), reconnected, saved(D)) })).toEqual({})
  })

  it('are explained by what a process that died had sent behind the saved position, and by no more', () => {
    const savedUpTo = (key: string) =>
      logOf(
        begun(),
        saved('82'),
        delivered(A, B, C, D),
        saved(key),
        killed,
        begun(key),
        delivered(D),
        saved(D),
        stopped,
        final,
      )
    expect(found({ arrivals, log: savedUpTo(C) })).toEqual({})
    expect(found({ arrivals, log: savedUpTo(D) })).toEqual({ copies: 1 })
  })

  it('are not explained by a clean stop', () => {
    const log = logOf(
      begun(),
      saved('82'),
      delivered(A, B, C, D),
      saved(C),
      stopped,
      begun(C),
      delivered(D),
      saved(D),
      stopped,
      final,
    )
    expect(found({ arrivals, log })).toEqual({ copies: 1 })
  })

  it('are explained by a time that is read again', () => {
    const log = life(delivered(A, B, C, D), [{ kind: 'fallback', head: '82D' }], delivered(D), saved(D))
    expect(found({ arrivals, log })).toEqual({})
  })

  it('have the body of the first, unless the document was looked up', () => {
    const log = life(delivered(A, B, C, D), reconnected, saved(D))
    expect(found({ arrivals: [...all, arrival(D, { body: 'another' })], log })).toEqual({ unstable: 1 })
    expect(found({ arrivals: [...all, arrival(D, { body: 'another', lookedUp: true })], log })).toEqual({})
  })

  it('have the id of the first', () => {
    const log = life(delivered(A, B, C, D), reconnected, saved(D))
    expect(found({ arrivals: [...all, arrival(D, { messageId: 'another' })], log })).toEqual({ unstable: 1 })
    expect(found({ arrivals: [...all.slice(0, 3), arrival(D, { messageId: `id of ${A}` })], log })).toEqual({
      unstable: 1,
    })
  })
})

describe('limits', () => {
  const peaks = (events: number, bytes: number) =>
    life(delivered(A, B, C, D), [{ kind: 'peaks', events, bytes }], saved(D))

  it('hold for events', () => {
    expect(found({ log: peaks(10, 0) })).toEqual({})
    expect(found({ log: peaks(11, 0) })).toEqual({ overEvents: 1 })
  })

  it('hold for bytes, but for one event and what encoding adds to each', () => {
    expect(found({ log: peaks(0, 1_100) })).toEqual({})
    expect(found({ log: peaks(0, 10_000) })).toEqual({ overBytes: 1 })
    expect(found({ log: peaks(10, 10_000) })).toEqual({})
    expect(found({ log: peaks(10, 20_000) })).toEqual({ overBytes: 1 })
  })
})

describe('the process', () => {
  it('has to recover in time', () => {
    expect(found({ recovery: { ms: undefined, limitMs: 30_000, backlog: 7 } })).toEqual({ notRecovered: 1 })
    expect(found({ recovery: { ms: 30_001, limitMs: 30_000, backlog: 7 } })).toEqual({ notRecovered: 1 })
  })

  it('has nothing to send after a clean stop', () => {
    const again = logOf(
      begun(),
      saved('82'),
      delivered(A, B, C, D),
      stopped,
      [{ kind: 'final' }],
      begun(C),
      sent(D),
      stopped,
    )
    expect(found({ log: again })).toEqual({ copiesAfterStop: 1 })
    const unclean: LogEntry[] = [{ kind: 'stopped', drained: false }, ...killed]
    const log = logOf(begun(), saved('82'), delivered(A, B, C, D), saved(D), unclean, final)
    expect(found({ log })).toEqual({ copiesAfterStop: 1 })
  })

  it('has to stop within its deadline', () => {
    const slow: LogEntry[] = [{ kind: 'ended', wanted: true, how: 'SIGTERM', tookMs: 1_001 }]
    const log = logOf(begun(), saved('82'), delivered(A, B, C, D), saved(D), slow, begun(D), stopped, final)
    expect(found({ log })).toEqual({ slowStop: 1 })
  })

  it('must not end by itself, but for a start that is refused access', () => {
    const ended: LogEntry[] = [{ kind: 'ended', wanted: false, how: '1', tookMs: 0 }]
    const failed = (access: boolean, started: boolean): LogEntry[] => [{ kind: 'failed', text: 'E', access, started }]
    const log = (...end: readonly (readonly LogEntry[])[]) =>
      logOf(begun(), saved('82'), delivered(A, B, C, D), saved(D), ...end, ended, begun(D), stopped, final)
    expect(found({ log: log() })).toEqual({ endedByItself: 1 })
    expect(found({ log: log(failed(false, false)) })).toEqual({ endedByItself: 1 })
    expect(found({ log: log(failed(true, true)) })).toEqual({ endedByItself: 1 })
    expect(found({ log: log(failed(true, false)) })).toEqual({})
  })

  it('must not print a password', () => {
    expect(found({ output: 'amqp://cdc:planted@host' })).toEqual({ secret: 1 })
  })
})

it('refuses a truth that is not in order, as every comparison hangs on it', () => {
  expect(() => checkHistory(historyOf({ truth: [...truth].reverse() }))).toThrow(/order/)
})
