/** Time that stands still until it is moved. */
export interface FakeClock {
  /** Milliseconds since 1970, as `Date.now()` says it now. */
  readonly now: number
  /** Moves the time on, running every timer that is due in its order, and lets promises settle in between. */
  advance(ms: number): Promise<void>
  /** Gives the real clock back. Timers that are still waiting never fire. */
  restore(): void
}

interface Timer {
  readonly at: number
  readonly sequence: number
  readonly every: number | undefined
  readonly run: () => void
}

/**
 * Replaces `Date.now`, `performance.now`, `setTimeout` and `setInterval` of this process until `restore()`, in every
 * test framework alike: delays between retries, time-outs and checkpoint intervals then take no time. For tests without
 * a server: real sockets go on in real time. `new Date()` without arguments isn't replaced.
 *
 * @example
 * import { fakeClock } from 'mongo-rabbit-cdc/testing'
 *
 * const clock = fakeClock()
 * try {
 *   await clock.advance(30_000)
 * } finally {
 *   clock.restore()
 * }
 */
export function fakeClock({ now = Date.UTC(2026, 0, 1) }: { readonly now?: number } = {}): FakeClock {
  const real = {
    dateNow: Date.now,
    performanceNow: performance.now,
    setTimeout: globalThis.setTimeout,
    clearTimeout: globalThis.clearTimeout,
    setInterval: globalThis.setInterval,
    clearInterval: globalThis.clearInterval,
  }
  const start = now
  let current = now
  let sequence = 0
  const timers = new Map<object, Timer>()
  /** As in Node: a timer that was cleared isn't set again by `refresh`. */
  const cleared = new WeakSet<object>()

  function add(run: (...given: unknown[]) => void, ms: unknown, given: unknown[], repeated: boolean): object {
    const delay = Math.max(1, Number(ms) || 0)
    const handle = {
      ref: () => handle,
      unref: () => handle,
      hasRef: () => true,
      refresh: () => {
        if (!cleared.has(handle)) set()
        return handle
      },
      [Symbol.toPrimitive]: () => 0,
    }
    const every = repeated ? delay : undefined
    const set = (): void => {
      sequence += 1
      timers.set(handle, { at: current + delay, sequence, every, run: () => run(...given) })
    }
    set()
    return handle
  }

  function due(until: number): [object, Timer] | undefined {
    let first: [object, Timer] | undefined
    for (const entry of timers) {
      const [, timer] = entry
      if (timer.at > until) continue
      if (!first || timer.at < first[1].at || (timer.at === first[1].at && timer.sequence < first[1].sequence)) {
        first = entry
      }
    }
    return first
  }

  const install = (name: string, value: unknown, on: object = globalThis): void => {
    Object.defineProperty(on, name, { value, configurable: true, writable: true })
  }
  const removing =
    (clear: (handle: never) => void) =>
    (handle: unknown): void => {
      if (typeof handle === 'object' && handle !== null) cleared.add(handle)
      // What doesn't wait here may have been set before this clock: it is real, and would still fire.
      if (!timers.delete(handle as object)) clear(handle as never)
    }
  install('now', () => current, Date)
  install('now', () => current - start, performance)
  install('setTimeout', (run: () => void, ms?: number, ...given: unknown[]) => add(run, ms, given, false))
  install('setInterval', (run: () => void, ms?: number, ...given: unknown[]) => add(run, ms, given, true))
  install('clearTimeout', removing(real.clearTimeout))
  install('clearInterval', removing(real.clearInterval))

  return {
    get now() {
      return current
    },
    async advance(ms) {
      const until = current + ms
      await settled()
      for (let next = due(until); next !== undefined; next = due(until)) {
        const [handle, timer] = next
        current = timer.at
        if (timer.every === undefined) timers.delete(handle)
        else timers.set(handle, { ...timer, at: current + timer.every })
        timer.run()
        await settled()
      }
      current = until
    },
    restore() {
      install('now', real.dateNow, Date)
      install('now', real.performanceNow, performance)
      install('setTimeout', real.setTimeout)
      install('clearTimeout', real.clearTimeout)
      install('setInterval', real.setInterval)
      install('clearInterval', real.clearInterval)
    },
  }
}

/** A few turns of the event loop: what a timer has started gets its promises through. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise<void>(resolve => setImmediate(resolve))
}
