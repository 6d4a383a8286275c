/** Numbers by name: ARKit's blend shapes and `smile`, `blink` (0..1); `yaw`, `pitch`, `roll`, `gazeYaw`, `gazePitch` (rad). */
export type Parameters = Record<string, number>;

/** One frame of FLAME's parameters on the portrait's head: axis-angles in rad, translation in m. */
export interface Frame {
  expression: ArrayLike<number>;
  rotation: ArrayLike<number>; // 3
  neck: ArrayLike<number>; // 3
  jaw: ArrayLike<number>; // 3
  eyes: ArrayLike<number>; // left, right: 6
  eyelids: ArrayLike<number>; // left, right: 0 open .. 1 shut
  translation: ArrayLike<number>; // 3
}

export interface Clip {
  readonly name: string;
  readonly index: number;
  readonly fps: number;
  readonly frames: number;
  readonly seconds: number;
  readonly sound: boolean;
}

export interface Events {
  play: { name: string };
  /** While a clip plays: its time in s, by the sound's own clock, and the frame that is shown. */
  frame: { name: string; time: number; frame: number };
  end: { name: string };
  parameters: Parameters;
  turn: { yaw: number; elevation: number; zoom: number };
  /** A picture was drawn: draw calls, triangles, bytes sent to the GPU, and ms of the page's thread. */
  drawn: { draws: number; triangles: number; bytes: number; ms: number; turned: number };
  record: boolean;
  error: string;
}

export interface Options {
  /** false: the person alone, on nothing. */
  background?: boolean;
  /** What it does by itself; all of it, unless the visitor wants less motion. */
  life?: { blink?: boolean; breathe?: boolean; look?: boolean };
  /** Whether edges are smoothed; not where no graphics processor draws. */
  antialias?: boolean;
  /** Whether the canvas keeps its picture to be read. */
  keep?: boolean;
}

export class Player {
  readonly canvas: HTMLCanvasElement;
  readonly clips: readonly Clip[];
  readonly names: readonly string[];
  /** Of the clip that plays, s. */
  readonly time: number;
  muted: boolean;
  life: { blink: boolean; breathe: boolean; look: boolean };
  /** Adds these to what is shown; null takes all away. RangeError for an unknown name. */
  setParameters(values: Parameters | null): void;
  /** Shows a frame instead of the photo's pose until null is given. */
  show(frame: Frame | null): void;
  /** Turns the view by rad, and brings it nearer. */
  turn(yaw: number, elevation?: number, zoom?: number): void;
  /** Looks at a place of the page, px; straight ahead for null. */
  look(x: number | null, y?: number): void;
  /** Plays a clip by name or number, with its sound; resolves at its end, to whether it was played to it. */
  play(which?: string | number, options?: { loop?: boolean }): Promise<boolean>;
  stop(): void;
  /** Records picture and sound; resolves, after `stopRecording`, to the video. */
  record(options?: { fps?: number }): Promise<Blob>;
  stopRecording(): Promise<Blob> | undefined;
  on<K extends keyof Events>(event: K, callback: (detail: Events[K]) => void): () => void;
  dispose(): void;
}

/** Whether this browser draws without a graphics processor, ten times as slowly. */
export function drawnBySoftware(): boolean;

/** A living portrait in a canvas. source: the file's bytes or its address. */
export function createPlayer(
  canvas: HTMLCanvasElement, source: Uint8Array | ArrayBuffer | string | URL, options?: Options,
): Promise<Player>;
