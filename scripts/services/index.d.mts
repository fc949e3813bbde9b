/** One member of a MongoDB replica set. */
export interface MongoNode {
  /** Direct connection to this node, without credentials. */
  readonly uri: string
  readonly port: number
  /** Process id of the running mongod, or of the last one; 0 for an external node. */
  readonly pid: number
  readonly running: boolean
  /** SIGKILL; resolves when the process is gone. Its data stay for `restart()`. */
  kill(): Promise<void>
  /** SIGTERM; resolves when the process is gone. Its data stay for `restart()`. */
  stop(): Promise<void>
  /** SIGSTOP: connections stay open and nothing answers. */
  pause(): void
  /** SIGCONT. */
  resume(): void
  /**
   * Same port, same data; stops the node first if it runs. Resolves when it serves again: a single node as primary,
   * a member as primary or secondary.
   */
  restart(): Promise<void>
}

export interface MongoService {
  /** With `replicaSet=rs0`; without credentials, also with `auth`. */
  readonly uri: string
  /** As the root user `admin`; only with `auth` (of an external server: its own URI). */
  readonly adminUri: string | undefined
  /** The server's version, for instance `6.0.5`. */
  readonly version: string
  readonly nodes: MongoNode[]
  /** True with `MONGODB_URI`: killing, freezing and stepping down throw. */
  readonly external: boolean
  /** Asks the nodes until exactly one of them says that it is. */
  primary(): Promise<MongoNode>
  /** Resolves with the new primary (a single node: the same one, elected again). */
  stepDown(): Promise<MongoNode>
  /** Kills all nodes, frozen ones too, and removes their data. Idempotent. */
  stop(): Promise<void>
}

export interface MongoOptions {
  /** @default 1 */
  nodes?: 1 | 3
  /** @default 64 */
  oplogSizeMb?: number
  /** More flags for mongod; they win over our defaults for the oplog and the cache size. */
  args?: string[]
  /** Turns on authorization, with a root user `admin`: see `adminUri`. @default false */
  auth?: boolean
  /** `enableTestCommands=1`, needed for fail points. @default true */
  testCommands?: boolean
  onProgress?: (line: string) => void
}

export interface RabbitService {
  /** Of the default vhost, for instance `amqp://guest:guest@127.0.0.1:PORT`. */
  readonly url: string
  readonly port: number
  /** Process id of the Erlang VM; 0 for an external broker. */
  readonly pid: number
  /** True with `AMQP_URL`: killing, freezing and `rabbitmqctl` throw. */
  readonly external: boolean
  /**
   * A vhost of one's own, for instance for one test file. With an external broker this needs its management API, at
   * `AMQP_MANAGEMENT_URL` or port 15672 of the same host.
   */
  vhost(name?: string): Promise<RabbitVhost>
  /** Runs `rabbitmqctl -q …`, resolves with what it printed, rejects with what it printed as errors. About 0.6 s. */
  rabbitmqctl(...args: string[]): Promise<string>
  /** SIGKILL, a crash; resolves when the process is gone. Data stay for `restart()`. */
  kill(): Promise<void>
  /** Same port, same data; ends the node first if it runs. Resolves when it's ready. About 8 s. */
  restart(): Promise<void>
  /** SIGSTOP: connections stay open and nothing answers. */
  pause(): void
  /** SIGCONT. */
  resume(): void
  /** Clean shutdown, also of a frozen node; removes its data and ends its epmd. Idempotent. */
  stop(): Promise<void>
}

export interface RabbitVhost {
  readonly name: string
  readonly url: string
  remove(): Promise<void>
}

export interface RabbitOptions {
  /** More lines for rabbitmq.conf; they win over ours. */
  config?: Record<string, string>
  /** Plugins to enable, for instance `rabbitmq_management` (slows the stop from 1 s to 6 s). @default [] */
  plugins?: string[]
  onProgress?: (line: string) => void
}

export interface ServicesOptions {
  mongo?: MongoOptions
  rabbit?: RabbitOptions
  onProgress?: (line: string) => void
}

export interface Services {
  readonly mongo: MongoService
  readonly rabbit: RabbitService
  stop(): Promise<void>
}

/** `pass` forwards; `hole` forwards nothing and keeps sockets open; `drop-replies` forwards to the server only. */
export type ProxyMode = 'pass' | 'hole' | 'drop-replies'

export interface TcpProxy {
  readonly port: number
  /**
   * May be set at any time. What isn't forwarded is held back, as a network that is cut would, and goes on its way
   * when the mode allows it again; end the connections with `reset()` to lose it for good.
   */
  mode: ProxyMode
  /** Resets (RST) every client connection. */
  reset(): void
  /** Ends the proxy and all its connections. */
  close(): Promise<void>
}

/**
 * Starts a MongoDB replica set, or uses the one in `MONGODB_URI`.
 * @throws with code `CDC_SERVICE_UNAVAILABLE` where no MongoDB could be obtained, listing all that was tried
 */
export function startMongo(options?: MongoOptions): Promise<MongoService>

/**
 * Starts a private RabbitMQ node, or uses the one in `AMQP_URL`.
 * @throws with code `CDC_SERVICE_UNAVAILABLE` where no RabbitMQ could be obtained, listing all that was tried
 */
export function startRabbit(options?: RabbitOptions): Promise<RabbitService>

/** Both at once; when one fails, the other is stopped before the error is thrown. */
export function startServices(options?: ServicesOptions): Promise<Services>

/** A TCP proxy on 127.0.0.1 in front of `targetPort` that can fail in ways that servers can't be made to. */
export function tcpProxy(targetPort: number): Promise<TcpProxy>
