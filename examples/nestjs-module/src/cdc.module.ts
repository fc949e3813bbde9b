import { Module } from '@nestjs/common'
import { CdcService } from './cdc.service.js'
import { HealthController } from './health.controller.js'

/** Import it once: it starts with the application and stops with it. */
@Module({ providers: [CdcService], controllers: [HealthController], exports: [CdcService] })
export class CdcModule {}
