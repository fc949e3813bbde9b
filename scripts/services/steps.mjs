// Every place a service was looked for, so that a failure can list all of them.

/**
 * @typedef {object} Steps
 * @property {(place: string, outcome: string) => void} note  Records one step that led nowhere.
 * @property {(place: string, fetch: () => Promise<T | undefined>) => Promise<T | undefined>} download  Runs a step that
 *   needs the network; offline it's only noted. A throw is noted and counts as "nothing found".
 * @property {(advice: string[]) => Error} failure
 * @template [T=any]
 */

/**
 * @param {string} service
 * @param {{ env: NodeJS.ProcessEnv, onProgress: (line: string) => void }} options
 * @returns {Steps}
 */
export function createSteps(service, { env, onProgress }) {
  /** @type {string[]} */
  const tried = []
  /** @type {Steps['note']} */
  const note = (place, outcome) => {
    tried.push(`${place}: ${outcome}`)
  }
  return {
    note,
    async download(place, fetch) {
      if (isSet(env.CDC_SERVICES_OFFLINE)) return note(place, 'not tried: CDC_SERVICES_OFFLINE is set')
      onProgress(`${service}: ${place}`)
      try {
        return await fetch()
      } catch (error) {
        note(place, messageOf(error))
        onProgress(`${service}: ${place} failed: ${messageOf(error)}`)
      }
    },
    failure(advice) {
      const lines = tried.map((line, index) => `  ${index + 1}. ${line}`)
      const message = [
        `${service} could not be obtained. Tried, in this order:`,
        ...lines,
        'What to do (one of these):',
      ]
      const error = new Error([...message, ...advice.map(line => `  - ${line}`)].join('\n'))
      return Object.assign(error, { code: 'CDC_SERVICE_UNAVAILABLE', tried })
    },
  }
}

/**
 * @param {string | undefined} value of an environment variable that is a switch
 * @returns {boolean}
 */
export function isSet(value) {
  return value !== undefined && value !== '' && value !== '0'
}

/**
 * @param {unknown} error
 * @returns {string} on one line
 */
export function messageOf(error) {
  const message = error instanceof Error ? error.message : String(error)
  const cause = error instanceof Error && error.cause instanceof Error ? ` (${error.cause.message})` : ''
  return (message + cause).trim().replace(/\s*\n\s*/g, ' | ')
}
