import { randomBytes } from 'node:crypto'
import { type Document, MongoClient } from 'mongodb'
import type {
  MongoNode,
  MongoService,
  RabbitService,
  RabbitVhost,
  startServices,
  TcpProxy,
  tcpProxy,
} from '../../scripts/services/index.mjs'
import type { Bug } from './planted-bugs.js'

/** What `main.mjs` hands in, as it can't be bundled. */
export interface Tools {
  readonly startServices: typeof startServices
  readonly tcpProxy: typeof tcpProxy
  readonly bundle: (program: string, bug?: Bug) => Promise<string>
}

/** Both servers, with a proxy in front of each member and of the broker. */
export interface World {
  readonly mongo: MongoService
  readonly rabbit: RabbitService
  readonly mongoProxies: readonly TcpProxy[]
  readonly amqpProxy: TcpProxy
  /** Of all runs: each has queues of its own, as `rabbitmqctl` is slow on a busy machine. */
  readonly vhost: RabbitVhost
  /** For writers and the truth: past the proxies. */
  readonly admin: MongoClient
  /** Of the user whose password is planted. */
  readonly childMongoUri: string
  readonly amqpUser: { readonly name: string; readonly password: string }
  /** Gives the user of the pipeline its rights, or takes that to write. */
  grant(write?: '.*' | '^$'): Promise<void>
  /** Which port of a member is reached through which other one. */
  readonly ports: Readonly<Record<string, number>>
  readonly secrets: readonly string[]
  /** A command on one member. */
  onMember(node: MongoNode, command: Document, database?: string): Promise<Document>
  stop(): Promise<void>
}

/** The child's own client says so; fail points are for it alone. */
export const APP_NAME = 'mongo-rabbit-cdc'

export async function startWorld(tools: Tools, onProgress: (line: string) => void): Promise<World> {
  const { mongo, rabbit } = await tools.startServices({ mongo: { nodes: 3, auth: true, oplogSizeMb: 512 }, onProgress })
  const secret = (): string => `planted-${randomBytes(8).toString('hex')}`
  const [mongoSecret, amqpSecret] = [secret(), secret()]
  const adminUri = mongo.adminUri as string
  const admin = await new MongoClient(adminUri, QUICK).connect()
  await admin.db('admin').command({ createUser: 'cdc', pwd: mongoSecret, roles: ['readWriteAnyDatabase'] })
  await rabbit.rabbitmqctl('add_user', 'cdc', amqpSecret)
  const vhost = await rabbit.vhost('nemesis')
  const grant: World['grant'] = async (write = '.*') => {
    await rabbit.rabbitmqctl('set_permissions', '-p', vhost.name, 'cdc', '.*', write, '.*')
  }
  await grant()
  const mongoProxies = await Promise.all(mongo.nodes.map(({ port }) => tools.tcpProxy(port)))
  const amqpProxy = await tools.tcpProxy(rabbit.port)
  const { username, password } = new URL(adminUri.replace(/,[^/]*/, ''))
  const hosts = mongo.nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')

  async function onMember({ uri }: MongoNode, command: Document, database = 'admin'): Promise<Document> {
    const client = new MongoClient(uri, { ...QUICK, auth: { username, password }, authSource: 'admin' })
    try {
      return await client.db(database).command(command)
    } finally {
      await client.close().catch(() => {})
    }
  }

  return {
    mongo,
    rabbit,
    mongoProxies,
    amqpProxy,
    vhost,
    grant,
    admin,
    childMongoUri: `mongodb://cdc:${mongoSecret}@${hosts}/?replicaSet=rs0&authSource=admin`,
    amqpUser: { name: 'cdc', password: amqpSecret },
    ports: Object.fromEntries(mongo.nodes.map(({ port }, i) => [port, (mongoProxies[i] as TcpProxy).port])),
    secrets: [mongoSecret, amqpSecret],
    onMember,
    async stop() {
      await admin.close().catch(() => {})
      await Promise.all([...mongoProxies, amqpProxy].map(proxy => proxy.close()))
      await Promise.all([mongo.stop(), rabbit.stop()])
    },
  }
}

const QUICK = {
  serverSelectionTimeoutMS: 3_000,
  connectTimeoutMS: 2_000,
  socketTimeoutMS: 10_000,
  heartbeatFrequencyMS: 1_000,
} as const
