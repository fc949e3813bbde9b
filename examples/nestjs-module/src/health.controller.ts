import { Controller, Get, ServiceUnavailableException } from '@nestjs/common'
import type { PipelineHealth, PipelineStats } from 'mongo-rabbit-cdc'
import { CdcService } from './cdc.service.js'

@Controller()
export class HealthController {
  constructor(private readonly cdc: CdcService) {}

  @Get('health')
  health(): PipelineHealth {
    const health = this.cdc.pipeline.health()
    if (!health.ready) throw new ServiceUnavailableException(health)
    return health
  }

  @Get('stats')
  stats(): PipelineStats {
    return this.cdc.pipeline.stats()
  }
}
