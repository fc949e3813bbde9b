import type { Arrival, History, LogEntry, LogLine, TrueChange } from '../../../faults/history.js'

/** Tokens of events, in commit order. */
export const [A, B, C, D] = ['82A0', '82B0', '82C0', '82D0'] as const

/** Four events of two documents: A and C of one, B and D of the other. */
export const truth: readonly TrueChange[] = [
  { token: A, document: 'one', mark: 'w-0' },
  { token: B, document: 'two', mark: 'w-1' },
  { token: C, document: 'one', mark: 'w-2' },
  { token: D, document: 'two', mark: 'w-3' },
]

export function arrival(token: string, more: Partial<Arrival> = {}): Arrival {
  return { token, messageId: `id of ${token}`, body: `body of ${token}`, bytes: 100, lookedUp: false, ...more }
}

export function sent(...ids: readonly string[]): LogEntry[] {
  return ids.map(id => ({ kind: 'sent', id, letter: false }))
}

export function confirmed(...ids: readonly string[]): LogEntry[] {
  return ids.map(id => ({ kind: 'confirmed', id, letter: false }))
}

/** Sent and confirmed. */
export function delivered(...ids: readonly string[]): LogEntry[] {
  return [...sent(...ids), ...confirmed(...ids)]
}

export function saved(key: string): LogEntry[] {
  return [
    { kind: 'saving', key },
    { kind: 'saved', key },
  ]
}

/** How a process of the pipeline begins its life, and how it ends. */
export const begun = (key?: string): LogEntry[] => [{ kind: 'start' }, { kind: 'loaded', key }, { kind: 'ready' }]
export const killed: LogEntry[] = [{ kind: 'ended', wanted: true, how: 'SIGKILL', tookMs: 1 }]
export const stopped: LogEntry[] = [
  { kind: 'stopped', drained: true },
  { kind: 'ended', wanted: true, how: 'SIGTERM', tookMs: 100 },
]
/** Once more at the end, with nothing to do. */
export const final: LogEntry[] = [{ kind: 'final' }, ...begun(D), ...stopped]

export function logOf(...entries: readonly (readonly LogEntry[])[]): LogLine[] {
  return entries.flat().map((entry, at) => ({ ...entry, at }) as LogLine)
}

/** A run in which nothing went wrong, apart from `more`. */
export function historyOf(more: Partial<History> = {}): History {
  return {
    truth,
    acknowledged: [
      { mark: 'w-0', count: 1 },
      { mark: 'w-3', count: 1 },
    ],
    arrivals: [A, B, C, D].map(token => arrival(token)),
    letters: [],
    log: logOf(begun(), saved('82'), delivered(A, B, C, D), saved(D), stopped, final),
    limits: { maxInFlight: 10, maxInFlightBytes: 1_000, stopMs: 1_000 },
    recovery: { ms: 500, limitMs: 30_000, backlog: 2 },
    output: 'nothing of interest',
    secrets: ['planted'],
    ...more,
  }
}
