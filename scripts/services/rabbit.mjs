// RabbitMQ, from wherever it was found.
import { findRabbit } from './find-rabbit.mjs'
import { startDockerRabbit } from './rabbit-docker.mjs'
import { externalRabbit } from './rabbit-external.mjs'
import { startRabbitNode } from './rabbit-node.mjs'

/**
 * @param {import('./index.mjs').RabbitOptions} [options]
 * @returns {Promise<import('./index.mjs').RabbitService>}
 */
export async function startRabbit(options = {}) {
  const { config = {}, plugins = [], onProgress = () => {} } = options
  const found = await findRabbit({ onProgress })
  if ('url' in found) return externalRabbit(found.url)
  if ('docker' in found) return startDockerRabbit({ config, onProgress })
  for (let attempt = 1; ; attempt++) {
    try {
      const service = await startRabbitNode(found, { config, plugins, onProgress })
      onProgress(`RabbitMQ: ready at 127.0.0.1:${service.port}`)
      return service
    } catch (error) {
      // Somebody took a port between our look and the node's.
      if (attempt === 3 || !/eaddrinuse|already in use/i.test(String(error))) throw error
    }
  }
}
