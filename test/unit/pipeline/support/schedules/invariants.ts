import type { PipelineStats } from '../../../../../src/pipeline/health.js'
import type { Position } from '../../../../../src/types.js'
import { type Change, letterOf, messagesOf } from './change.js'
import type { Ledger } from './ledger.js'

/** An invariant that is read from the books at the end: what is wrong, in words. */
export type Invariant = (ledger: Ledger) => string | undefined

/** I1: everything that is to be published is in the queue, or its dead letter, or its loss was announced. */
function nothingIsLost({ stream, arrivals, decisions }: Ledger): string | undefined {
  const bodies = new Set(arrivals.map(({ body }) => body))
  const lost = stream.find(change => {
    if (messagesOf(change).every(body => bodies.has(body)) || bodies.has(letterOf(change))) return false
    return !decisions.get(change.name)?.has('skip')
  })
  return lost && `${lost.name} is lost`
}

/** I2: everything in the queue is in the stream, and a dead letter or a gap has a reason. */
function nothingIsInvented(ledger: Ledger): string | undefined {
  for (const { body, name } of ledger.arrivals) {
    const change = ledger.change(name)
    if (!change) return `${body} was never written`
    const letter = body === letterOf(change)
    if (!letter && !messagesOf(change).includes(body)) return `${body} is no message of ${name}`
    if (letter && !ledger.mayFail(change)) return `${name} has a dead letter, and nothing was wrong with it`
  }
  for (const [name] of ledger.decisions) {
    const change = ledger.change(name)
    if (change && !ledger.mayFail(change)) return `a policy was asked about ${name}, and nothing was wrong with it`
  }
  return undefined
}

/** The first and last places in the queue of each change's messages; dead letters have none. */
function places({ arrivals }: Ledger): Map<string, { first: number; last: number }> {
  const found = new Map<string, { first: number; last: number }>()
  arrivals.forEach(({ body, name }, at) => {
    if (body.endsWith('/letter')) return
    const place = found.get(name)
    if (place) place.last = at
    else found.set(name, { first: at, last: at })
  })
  return found
}

/** What must be in order: what was disposed of may come later after all, when a crash lets it be tried again. */
function ordered(ledger: Ledger): Change[] {
  return ledger.stream.filter(({ name }) => !ledger.decisions.has(name))
}

/** I3: first arrivals of one lane are in the order of the stream; a barrier lies between all before and all after it. */
function firstArrivalsAreInOrder(ledger: Ledger): string | undefined {
  const { ordering, laneOf } = ledger.terms
  if (ordering === 'pipelined' && ledger.refusals > 0) return undefined
  const found = places(ledger)
  const last = new Map<string, { name: string; at: number }>()
  let newest = { name: '', at: -1 }
  let barrier = newest
  for (const change of ordered(ledger)) {
    const place = found.get(change.name)
    if (!place) continue
    const lane = ordering === 'pipelined' ? 'the stream' : laneOf(change)
    const before = lane === undefined ? newest : (last.get(lane) ?? barrier)
    const latest = before.at > barrier.at ? before : barrier
    if (place.first < latest.at) return `${change.name} arrived before ${latest.name}`
    const here = { name: change.name, at: place.first }
    if (here.at > newest.at) newest = here
    if (lane === undefined) barrier = newest
    else last.set(lane, here)
  }
  return undefined
}

/** I4: the newest change of a lane is also the one that arrived last; only where nothing comes late. */
function newestArrivesLast(ledger: Ledger): string | undefined {
  const { ordering, laneOf } = ledger.terms
  if (ledger.late > 0 || (ordering === 'pipelined' && ledger.refusals > 0)) return undefined
  const found = places(ledger)
  const newest = new Map<string, { name: string; last: number }>()
  const latest = new Map<string, { name: string; last: number }>()
  for (const change of ordered(ledger)) {
    const lane = laneOf(change)
    const place = found.get(change.name)
    if (!place || lane === undefined) continue
    const here = { name: change.name, last: place.last }
    newest.set(lane, here)
    if (here.last >= (latest.get(lane)?.last ?? 0)) latest.set(lane, here)
  }
  for (const [lane, { name }] of latest) {
    if (newest.get(lane)?.name !== name) return `${name} arrived after ${newest.get(lane)?.name}, which is newer`
  }
  return undefined
}

/** I5 and I6, at each save: everything up to the position is settled, and no position is older than one before. */
export function checkSave(ledger: Ledger, { clusterTime: { t } }: Position): void {
  const open = ledger.stream.slice(0, t).find(change => !ledger.isSettled(change))
  if (open) ledger.violations.push(`I5: position ${t} was saved, and ${open.name} was not settled`)
  if (ledger.goesBack(t)) ledger.violations.push(`I6: position ${t} was saved after a newer one`)
}

/** I7: no more copies than what a crash, a lost channel and a source that repeats itself can explain. */
function copiesAreBounded({ arrivals, mayRepeat }: Ledger): string | undefined {
  const copies = arrivals.length - new Set(arrivals.map(({ body }) => body)).size
  return copies > mayRepeat ? `${copies} copies, expected at most ${mayRepeat}` : undefined
}

/** I12: one id for each message, and one message for each id. */
function idsAreStable({ arrivals }: Ledger): string | undefined {
  const ids = new Map<string, string>()
  const bodies = new Map<string, string>()
  for (const { id, body } of arrivals) {
    if ((ids.get(body) ?? id) !== id) return `two ids for ${body}`
    if ((bodies.get(id) ?? body) !== body) return `one id for ${body} and ${bodies.get(id)}`
    ids.set(body, id)
    bodies.set(id, body)
  }
  return undefined
}

/** What is looked at when everything is over. */
export const atTheEnd: Readonly<Record<string, Invariant>> = {
  I1: nothingIsLost,
  I2: nothingIsInvented,
  I3: firstArrivalsAreInOrder,
  I4: newestArrivesLast,
  I7: copiesAreBounded,
  I12: idsAreStable,
}

/** What may be in memory. */
export interface Limits {
  readonly maxInFlight: number
  readonly maxInFlightBytes: number
  readonly maxUnsavedEvents: number
}

/** I8: limits, one event and two batches, which here are small. `handed`: what the source has given away by now. */
export function checkMemory(
  limits: Limits,
  stats: PipelineStats,
  handed: { events: number; bytes: number },
): string | undefined {
  const { maxInFlight, maxInFlightBytes } = limits
  if (stats.peakInFlight > maxInFlight) return `I8: ${stats.peakInFlight} events were in flight`
  if (stats.peakInFlightBytes > 2 * (maxInFlightBytes + LARGEST))
    return `I8: ${stats.peakInFlightBytes} bytes were in flight`
  const { published, filtered, skipped, deadLettered } = stats
  const held = handed.events - published - filtered - skipped - deadLettered
  return held > maxInFlight + 1 + 2 * MAX_BATCH ? `I8: ${held} events are in memory` : undefined
}

/** Bytes of the largest event, and events of the largest batch. */
const LARGEST = 100
export const MAX_BATCH = 6

/** I7, at the end of a process: it leaves no more events to be sent again than it says, and than it may. */
export function checkUnsaved(limits: Limits, stats: PipelineStats, ledger: Ledger): string | undefined {
  const { inFlight, unsavedEvents } = stats
  const left = ledger.arrivedUnsaved(ledger.arrivedBefore).size
  if (unsavedEvents > limits.maxUnsavedEvents + limits.maxInFlight) return `I7: ${unsavedEvents} events are not saved`
  if (left > inFlight + unsavedEvents + ledger.repeated)
    return `I7: ${left} events will come again, expected ${inFlight + unsavedEvents}`
  return undefined
}
