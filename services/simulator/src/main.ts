import { runService } from '@weir/service-kit'
import { simulator } from './index.ts'

await runService(simulator)
