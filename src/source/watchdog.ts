import { SourceError } from '../errors.js'

/** What {@link guardRead} needs. */
export interface GuardOptions {
  /** How long a silence is taken for normal, in milliseconds; doubled each time the server turns out to be alive. */
  readonly patienceMs: number
  /** Whether the server that owes the answer is alive; must itself be bounded in time. */
  readonly probe: () => Promise<boolean>
  readonly onSilence: (silence: { silentMs: number; answered: boolean }) => void
  readonly signal: AbortSignal
}

/**
 * Waits for a read, but not for a dead server. A read over a long stretch of foreign oplog entries is slow and gives no
 * sign of life, whatever its time limit says; so a silence alone proves nothing and the server is asked on another
 * connection. Without answer there the read is given up: the driver's own monitor needs up to 40 s for that.
 */
export function guardRead<T>(read: Promise<T>, { patienceMs, probe, onSilence, signal }: GuardOptions): Promise<T> {
  return new Promise((resolve, reject) => {
    const started = performance.now()
    let patience = patienceMs
    let timer = setTimeout(onTimer, patience)
    const onAbort = (): void => settle(() => reject(signal.reason))
    let settled = false

    // First of all, so that a read that fails after an abort is never an unhandled rejection.
    read.then(
      value => settle(() => resolve(value)),
      error => settle(() => reject(error)),
    )
    if (signal.aborted) return onAbort()
    signal.addEventListener('abort', onAbort, { once: true })

    function onTimer(): void {
      probe().then(report, () => report(false))
    }

    function report(answered: boolean): void {
      if (settled) return
      const silentMs = Math.round(performance.now() - started)
      onSilence({ silentMs, answered })
      if (!answered) {
        const text = `MongoDB was silent for ${silentMs} ms and did not answer on another connection either`
        settle(() => reject(new SourceError('CDC_SOURCE_UNAVAILABLE', text, { retryable: true })))
        return
      }
      patience *= 2
      timer = setTimeout(onTimer, patience)
    }

    function settle(finish: () => void): void {
      if (settled) return
      settled = true
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
      finish()
    }
  })
}
