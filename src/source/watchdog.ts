import { SourceError } from '../errors.js'

/** What {@link guardRead} needs. */
export interface GuardOptions {
  /** How long a silence is taken for normal, in milliseconds; doubled each time the server turns out to be alive. */
  readonly patienceMs: number
  /** How long a silence is borne altogether, in milliseconds, though the server is alive. */
  readonly limitMs: number
  /** Whether the server that owes the answer is alive; must itself be bounded in time. */
  readonly probe: () => Promise<boolean>
  readonly onSilence: (silence: { silentMs: number; answered: boolean }) => void
  readonly signal: AbortSignal
}

/**
 * Waits for a read, but not for a dead server. A read over a long stretch of foreign oplog entries is slow and gives no
 * sign of life, whatever its time limit says; so a silence alone proves nothing and the server is asked on another
 * connection. Without answer there the read is given up: the driver's own monitor needs up to 40 s for that. With one
 * it is given up after `limitMs`: a firewall may have forgotten the connection of this read alone.
 */
export function guardRead<T>(read: Promise<T>, options: GuardOptions): Promise<T> {
  const { patienceMs, limitMs, probe, onSilence, signal } = options
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
      if (!answered || silentMs >= limitMs) {
        const elsewhere = answered ? 'though it answers' : 'and did not answer'
        const text = `MongoDB was silent for ${silentMs} ms ${elsewhere} on another connection`
        settle(() => reject(new SourceError('CDC_SOURCE_UNAVAILABLE', text, { retryable: true })))
        return
      }
      patience *= 2
      timer = setTimeout(onTimer, Math.min(patience, limitMs - silentMs))
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
