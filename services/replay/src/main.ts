import { runService } from '@weir/service-kit'
import { replay } from './index.ts'

await runService(replay)
