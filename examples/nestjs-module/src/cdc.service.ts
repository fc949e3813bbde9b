import {
  type BeforeApplicationShutdown,
  Injectable,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common'
import {
  type CdcPipeline,
  ChangeStreamSource,
  changeEventMessage,
  createCdcPipeline,
  mongoCheckpointStore,
  RabbitPublisher,
} from 'mongo-rabbit-cdc'
import { MongoClient } from 'mongodb'

const { MONGODB_URI = '', AMQP_URL = '', DATABASE = 'shop', QUEUE = 'orders' } = process.env

@Injectable()
export class CdcService implements OnApplicationBootstrap, BeforeApplicationShutdown, OnApplicationShutdown {
  private readonly client = new MongoClient(MONGODB_URI, { serverSelectionTimeoutMS: 5000 })

  readonly pipeline: CdcPipeline = createCdcPipeline({
    name: QUEUE, // the key of its checkpoint
    source: new ChangeStreamSource({
      client: this.client,
      database: DATABASE,
      collections: ['orders'],
      fullDocument: 'updateLookup',
    }),
    transform: changeEventMessage(),
    sink: new RabbitPublisher({ url: AMQP_URL, queue: { name: QUEUE } }),
    checkpointStore: mongoCheckpointStore({ client: this.client }),
  })

  /** Resolves when the pipeline has stopped, rejects with what can't be healed. */
  ended: Promise<void> | undefined

  /** Nest would wait for a promise: not returned, so that the server is up while MongoDB or RabbitMQ is away. */
  onApplicationBootstrap(): void {
    this.ended = this.pipeline.run()
  }

  /** Before the server closes: /health answers 503 while the pipeline finishes what is in flight. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.pipeline.stop()
  }

  /** Last: the pipeline's last position is saved through it. */
  async onApplicationShutdown(): Promise<void> {
    await this.client.close()
  }
}
