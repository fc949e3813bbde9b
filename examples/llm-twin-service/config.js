const { env } = process

/** All from the environment; what is missing ends the service with its name, before anything is opened. */
export const config = {
  mongoUri: required('MONGODB_URI'),
  amqpUrl: required('AMQP_URL'),
  database: env.DATABASE ?? 'twin',
  queue: env.QUEUE ?? 'twin-documents',
  port: Number(env.PORT ?? 3000),
}

function required(name) {
  if (!env[name]) throw new Error(`Set the environment variable ${name}`)
  return env[name]
}
