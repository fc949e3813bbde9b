import 'reflect-metadata'
import { Logger, Module } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { CdcModule } from './cdc.module.js'
import { CdcService } from './cdc.service.js'

@Module({ imports: [CdcModule] })
class AppModule {}

async function main(): Promise<void> {
  const app = await NestFactory.create(AppModule)
  // Without the hooks a signal ends the process at once; without `useProcessExit` its exit code tells of a kill.
  app.enableShutdownHooks(['SIGTERM', 'SIGINT'], { useProcessExit: true })
  await app.listen(process.env.PORT ?? 3000)
  Logger.log(`Listening on ${await app.getUrl()}`)
  try {
    await app.get(CdcService).ended
  } catch (error) {
    Logger.error(error)
    process.exitCode = 1
    await app.close()
  }
}

await main()
