// Real MongoDB and real RabbitMQ on a machine that has neither: for the demo, tests, benchmarks and examples.
import { startMongo } from './mongo.mjs'
import { startRabbit } from './rabbit.mjs'

export { tcpProxy } from './proxy.mjs'
export { startMongo, startRabbit }

/**
 * Both at once. When one fails, the other is stopped before the error is thrown.
 * @param {import('./index.mjs').ServicesOptions} [options]
 * @returns {Promise<import('./index.mjs').Services>}
 */
export async function startServices({ mongo: mongoOptions, rabbit: rabbitOptions, onProgress } = {}) {
  const progress = onProgress && { onProgress }
  const [mongo, rabbit] = await Promise.allSettled([
    startMongo({ ...progress, ...mongoOptions }),
    startRabbit({ ...progress, ...rabbitOptions }),
  ])
  if (mongo.status === 'fulfilled' && rabbit.status === 'fulfilled') {
    const services = { mongo: mongo.value, rabbit: rabbit.value }
    return { ...services, stop: () => stopAll(Object.values(services)) }
  }
  await stopAll([mongo, rabbit].flatMap(result => (result.status === 'fulfilled' ? [result.value] : [])))
  const errors = [mongo, rabbit].flatMap(result => (result.status === 'rejected' ? [result.reason] : []))
  throw errors.length === 1 ? errors[0] : new AggregateError(errors, errors.map(error => error.message).join('\n\n'))
}

/** @param {{ stop: () => Promise<void> }[]} services */
async function stopAll(services) {
  await Promise.all(services.map(service => service.stop()))
}
