// RabbitMQ into the cache, by fetch-rabbit.sh.
import { fileURLToPath } from 'node:url'
import { run } from './run.mjs'

const FETCH_RABBIT = fileURLToPath(new URL('fetch-rabbit.sh', import.meta.url))

/**
 * @param {string} target  a path without white space
 * @param {NodeJS.ProcessEnv} env
 */
export async function fetchRabbit(target, env) {
  const { code, stderr } = await run('sh', [FETCH_RABBIT, target], { env, timeoutMs: 240_000 })
  if (code !== 0)
    throw new Error(stderr.trim().split('\n').slice(-3).join('\n') || `fetch-rabbit.sh ended with ${code}`)
}
