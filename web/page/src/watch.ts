// Hears that a microphone gives no sound, from the browser's running sum of its energy. Pure.

/** The sound of a microphone since it was opened, as getStats counts it. */
export interface Energy {
  /** Sum of squared level (0 to 1) times seconds. */
  readonly energy: number;
  readonly seconds: number;
}

/** How long a microphone may give nothing while it is your turn, in seconds. */
export const patience = 5;

/** Mean square level below which there is no sound: −80 dBFS. A quiet room is above −70. */
const nothing = 1e-8;

/** Says when a microphone has been silent for too long. */
export class SilenceWatch {
  private last: Energy | undefined;
  private quiet = 0;

  /** Takes the next reading. counts: it is the caller's turn and the microphone is meant to be heard. */
  step(now: Energy, counts: boolean): "silent" | "sound" | "unknown" {
    const last = this.last;
    this.last = now;
    const seconds = last ? now.seconds - last.seconds : 0;
    const energy = last ? now.energy - last.energy : 0;
    if (seconds < 0 || energy < 0) this.quiet = 0; // another microphone
    if (seconds <= 0 || energy < 0) return "unknown";
    if (energy / seconds > nothing) {
      this.quiet = 0;
      return "sound";
    }
    if (!counts) return "unknown";
    this.quiet += seconds;
    return this.quiet >= patience ? "silent" : "unknown";
  }
}
