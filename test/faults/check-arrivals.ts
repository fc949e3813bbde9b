import type { Arrival, History } from './history.js'
import { losses } from './log-facts.js'
import { type Violation, violation } from './verdict.js'

/** Whether the right messages arrived, in the right order, alike in every copy. */
export function checkArrivals(history: History): Violation[] {
  const { truth, arrivals, letters, log, acknowledged } = history
  const known = new Set(truth.map(({ token }) => token))
  const arrived = new Set([...arrivals, ...letters].map(({ token }) => token))
  const announced = losses(log)
  const missing = truth.filter(({ token }) => !arrived.has(token) && !announced(token))
  const marks = sums(truth.map(({ mark }) => ({ mark, count: 1 })))
  const unknown = [...sums(acknowledged)].filter(([mark, count]) => (marks.get(mark) ?? 0) < count)
  return [
    ...violation(
      'lost',
      missing.map(({ token, document, mark }) => `${mark} of ${document}, ${token}`),
    ),
    ...violation(
      'unexpected',
      [...arrived].filter(token => !known.has(token)),
    ),
    ...violation(
      'unknownWrite',
      unknown.map(([mark, count]) => `${mark}: ${count} acknowledged, ${marks.get(mark) ?? 0} events`),
    ),
    ...violation('order', disordered(history)),
    ...violation('unstable', unstable(arrivals)),
  ]
}

/** An event that became a dead letter leaves a hole: when it comes after all, it may come late. */
function disordered({ truth, arrivals, letters }: History): string[] {
  const places = new Map(truth.map(({ token, document }, place) => [token, { place, document }]))
  const seen = new Set(letters.map(({ token }) => token))
  const newest = new Map<string, number>()
  const found: string[] = []
  for (const { token } of arrivals) {
    const { place, document } = places.get(token) ?? {}
    if (seen.has(token) || place === undefined || document === undefined) continue
    seen.add(token)
    const before = newest.get(document) ?? -1
    if (place < before) found.push(`${document}: ${token} after ${truth[before]?.token}`)
    newest.set(document, Math.max(place, before))
  }
  return found
}

/** Documents of which the last message is not the newest, with the token of that message. */
export function staleEnds({ truth, arrivals }: Pick<History, 'truth' | 'arrivals'>): Map<string, string> {
  const places = new Map(truth.map(({ token, document }, place) => [token, { place, document }]))
  const newest = new Map<string, number>()
  const last = new Map<string, { token: string; place: number }>()
  for (const { token } of arrivals) {
    const { place, document } = places.get(token) ?? {}
    if (place === undefined || document === undefined) continue
    newest.set(document, Math.max(place, newest.get(document) ?? -1))
    last.set(document, { token, place })
  }
  const stale = [...last].filter(([document, { place }]) => place < (newest.get(document) as number))
  return new Map(stale.map(([document, { token }]) => [document, token]))
}

function unstable(arrivals: readonly Arrival[]): string[] {
  const first = new Map<string, Arrival>()
  const ids = new Map<string, string>()
  const found: string[] = []
  for (const arrival of arrivals) {
    const { messageId, token, body, lookedUp } = arrival
    const known = first.get(messageId)
    if (known === undefined) first.set(messageId, arrival)
    else if (known.token !== token) found.push(`${messageId} is of ${known.token} and of ${token}`)
    else if (known.body !== body && !lookedUp && !known.lookedUp) found.push(`${messageId} has two bodies`)
    const id = ids.get(token)
    if (id !== undefined && id !== messageId) found.push(`${token} has ids ${id} and ${messageId}`)
    ids.set(token, messageId)
  }
  return found
}

function sums<Mark>(
  counted: readonly { readonly mark: Mark; readonly count: number }[],
): Map<Mark | undefined, number> {
  const counts = new Map<Mark | undefined, number>()
  for (const { mark, count } of counted) counts.set(mark, (counts.get(mark) ?? 0) + count)
  return counts
}
