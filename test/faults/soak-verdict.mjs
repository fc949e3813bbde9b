// What the samples of a soak say: its last third is compared with its first, after a warm-up.

const MIB = 2 ** 20
/** What V8 keeps of compiled code and shapes grows for a long time, and little. */
const HEAP_GROWTH_MIB = 5

export const heading =
  'minute   state      published  in flight   lag ms  reconnects  handles  listeners   fds   heap MiB  external MiB   rss MiB'

/** One line of the table. */
export function describeSample(sample) {
  const { minute, state, published, inFlight, lagMs, reconnects, fds, heap, external, rss } = sample
  return [
    minute.toFixed(1).padStart(6),
    `  ${state.padEnd(9)}`,
    String(published).padStart(11),
    String(inFlight).padStart(11),
    String(Math.round(lagMs)).padStart(9),
    String(reconnects).padStart(12),
    String(sum(sample.handles)).padStart(9),
    String(sum(sample.listeners)).padStart(11),
    String(fds).padStart(6),
    (heap / MIB).toFixed(2).padStart(11),
    (external / MIB).toFixed(2).padStart(14),
    (rss / MIB).toFixed(1).padStart(10),
  ].join('')
}

/** Handles, listeners and descriptors must be the same; the heap may grow by a little. */
export function judge(samples) {
  const warm = samples.slice(Math.max(1, Math.ceil(samples.length / 10)))
  const third = Math.floor(warm.length / 3)
  if (third === 0) return { flat: false, lines: ['too short: not three samples after the warm-up'] }
  const [first, last] = [warm.slice(0, third), warm.slice(-third)]
  const lines = [`after the warm-up, the first and the last ${third} samples; counts: the highest, memory: the median`]
  let flat = true
  const compare = (what, [before, after], allowed, digits) => {
    const good = after - before <= allowed
    flat &&= good
    lines.push(`  ${what.padEnd(24)} ${before.toFixed(digits)} → ${after.toFixed(digits)}${good ? '' : '   GREW'}`)
  }
  // The highest, not the median: the driver has a connection more after some resets than after others.
  const count = (what, of) => compare(what, [Math.max(...first.map(of)), Math.max(...last.map(of))], 0, 0)
  const mebibytes = (what, of, allowed) => {
    compare(what, [median(first.map(of)) / MIB, median(last.map(of)) / MIB], allowed, 2)
  }
  for (const kind of kindsOf(warm, 'handles')) count(kind, ({ handles }) => handles[kind] ?? 0)
  for (const kind of kindsOf(warm, 'listeners')) count(`listeners: ${kind}`, ({ listeners }) => listeners[kind])
  count('descriptors', ({ fds }) => fds)
  mebibytes('heap after gc, MiB', ({ heap }) => heap, HEAP_GROWTH_MIB)
  mebibytes('external, MiB', ({ external }) => external, HEAP_GROWTH_MIB)
  mebibytes('rss, MiB (not judged)', ({ rss }) => rss, Number.POSITIVE_INFINITY)
  return { flat, lines }
}

function kindsOf(samples, group) {
  return [...new Set(samples.flatMap(sample => Object.keys(sample[group])))].sort()
}

function sum(counts) {
  return Object.values(counts).reduce((total, count) => total + count, 0)
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)]
}
