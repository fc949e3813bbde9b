import { setTimeout } from 'node:timers/promises'

/** Posts each message to an HTTP endpoint, one request at a time: that is what keeps them in order. */
export function httpSink({ url, timeoutMs = 10_000 }) {
  const letGo = new AbortController()
  let last = Promise.resolve()
  let closed = false

  async function post({ body, contentType }, id) {
    const headers = { 'content-type': contentType, 'idempotency-key': id } // the id is the same on every copy
    const signal = AbortSignal.any([letGo.signal, AbortSignal.timeout(timeoutMs)])
    const response = await fetch(url, { method: 'POST', headers, body, signal }).catch(() => undefined)
    await response?.body?.cancel() // frees the connection
    if (!response?.ok) throw refusal(response?.status)
  }

  return {
    publish(message, { id }) {
      if (closed) return Promise.reject(new Error('The sink is closed'))
      const posted = last.then(() => post(message, id))
      last = posted.catch(() => undefined) // the next one goes on whatever becomes of this one
      return posted
    },
    async close({ drainTimeoutMs = 0 } = {}) {
      closed = true
      await Promise.race([last, setTimeout(drainTimeoutMs, undefined, { ref: false })])
      letGo.abort()
    },
  }
}

/** Away or busy: `nack`, tried again for ever. Anything else never gets better, so that `onFailedEvent` decides. */
function refusal(status) {
  const passes = status === undefined || status === 429 || status >= 500
  const error = new Error(`Expected the endpoint to take the message, got ${status ?? 'no answer'}`)
  return Object.assign(error, passes ? { reason: 'nack' } : { retryable: false })
}
