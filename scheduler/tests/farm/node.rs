//! A node that speaks the protocol and follows a script: it writes what a scheduler reads (what the
//! probe found, the verdict, the manifest) and no media.

use model::catalog::{PackageManifest, VersionFile};
use model::node::{NodeInfo, builds_digest};
use model::plan::{BuildIds, Plan, Probed};
use model::qc::{Action, Verdict};
use model::source::{
    AccessPoint, Color, FieldOrder, FrameTable, Orientation, SourceInfo, VideoTrack,
};
use model::task::{Claim, Committed, Grant, TaskKind, UnitRecord};
use model::{Failure, JobId, NodeId, Rational, layout};
use proto::v1;
use proto::v1::node_service_client::NodeServiceClient;
use storage::Storage;
use tonic::transport::Channel;

/// What a node makes of its work.
#[derive(Clone)]
pub(crate) struct Script {
    pub(crate) source: Result<SourceInfo, Failure>,
    pub(crate) verdict: Action,
    /// Frames that the first segment lacks.
    pub(crate) frames_lost: u32,
}

impl Script {
    /// A film of ten seconds that passes.
    pub(crate) fn passing() -> Self {
        Self {
            source: Ok(film(250)),
            verdict: Action::Pass,
            frames_lost: 0,
        }
    }

    pub(crate) fn with_verdict(verdict: Action) -> Self {
        Self {
            verdict,
            ..Self::passing()
        }
    }

    pub(crate) fn refusing(failure: Failure) -> Self {
        Self {
            source: Err(failure),
            ..Self::passing()
        }
    }
}

/// A source of 25 frames a second in 640 x 360 without sound.
fn film(frames: i64) -> SourceInfo {
    let pts: Vec<i64> = (0..frames).map(|n| n * 40).collect();
    let track = VideoTrack {
        stream: 0,
        codec: "h264".to_owned(),
        width: 640,
        height: 360,
        sample_aspect: Rational::ONE,
        orientation: Orientation::default(),
        field_order: FieldOrder::Progressive,
        pixel_format: "yuv420p".to_owned(),
        bit_depth: 8,
        color: Color::UNSPECIFIED,
        hdr: model::hdr::HdrMetadata::default(),
        time_base: Rational::new(1, 1_000).unwrap(),
        nominal_frame_rate: None,
        frames: FrameTable::new(&pts, vec![AccessPoint { frame: 0, dts: 0 }], frames * 40),
    };
    SourceInfo {
        sha256: "ab".repeat(32),
        size_bytes: 13,
        container: "mov,mp4,m4a,3gp,3g2,mj2".to_owned(),
        video: Some(track),
        audio: Vec::new(),
        text: Vec::new(),
        notes: vec!["one data track was left alone".to_owned()],
    }
}

/// A scripted node.
pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) client: NodeServiceClient<Channel>,
    storage: Storage,
    script: Script,
    /// Why it takes no work; empty while it does.
    pub(crate) unfit: String,
    pub(crate) builds: BuildIds,
    pub(crate) memory_bytes: u64,
}

impl Node {
    pub(crate) fn new(id: &str, channel: Channel, storage: Storage, script: Script) -> Self {
        let builds = [("x264".to_owned(), "164".to_owned())].into();
        let client = NodeServiceClient::new(channel);
        Self {
            id: NodeId::new(id).unwrap(),
            client,
            storage,
            script,
            unfit: String::new(),
            builds,
            memory_bytes: 1 << 34,
        }
    }

    pub(crate) fn info(&self) -> NodeInfo {
        NodeInfo {
            id: self.id.clone(),
            host: "test".to_owned(),
            version: "0".to_owned(),
            cores: 2,
            memory_bytes: self.memory_bytes,
            cpu: "test".to_owned(),
            gpus: Vec::new(),
            slots: 1,
            builds: self.builds.clone(),
            unfit: self.unfit.clone(),
            leaving: false,
        }
    }

    pub(crate) async fn register(&mut self) -> v1::RegisterResponse {
        let node = Some((&self.info()).into());
        let protocol_version = proto::PROTOCOL_VERSION;
        let request = v1::RegisterRequest {
            node,
            protocol_version,
        };
        self.client.register(request).await.unwrap().into_inner()
    }

    pub(crate) fn want(&self, wait_ms: u32) -> v1::TakeRequest {
        v1::TakeRequest {
            node: self.id.to_string(),
            builds_digest: builds_digest(&self.builds),
            steal: true,
            wait_ms,
            room_bytes: Some(self.memory_bytes),
            at_hand: Vec::new(),
        }
    }

    /// Waits for work.
    pub(crate) async fn take(&mut self) -> Option<Grant> {
        self.take_within(2_000).await
    }

    /// Waits so many milliseconds for work.
    pub(crate) async fn take_within(&mut self, wait_ms: u32) -> Option<Grant> {
        let want = self.want(wait_ms);
        let answer = self.client.take(want).await.unwrap().into_inner();
        answer.grant.map(|grant| grant.try_into().unwrap())
    }

    /// Takes and does whatever comes, until the farm is gone.
    pub(crate) async fn work(&mut self) {
        loop {
            let Ok(answer) = self.client.take(self.want(1_000)).await else {
                return;
            };
            if let Some(grant) = answer.into_inner().grant {
                self.finish(&grant.try_into().unwrap()).await;
            }
        }
    }

    /// Does all units of a chunk, or ends it as the script says.
    pub(crate) async fn finish(&mut self, grant: &Grant) {
        while let Claim::Unit(unit) = self.claim(grant).await {
            if let (TaskKind::Probe, Err(failure)) = (&grant.kind, &self.script.source) {
                let failure = failure.clone();
                self.fail(grant, &failure).await;
                return;
            }
            self.write_result(grant).await;
            match self.commit(grant, unit).await {
                Committed::Accepted | Committed::Adopted | Committed::Already => {}
                Committed::Gone => return,
                Committed::Conflict => panic!("{} unit {unit} conflicts", grant.chunk),
            }
        }
    }

    pub(crate) async fn claim(&mut self, grant: &Grant) -> Claim {
        let (chunk, token) = (grant.chunk.to_string(), Some(grant.token.into()));
        let answer = self
            .client
            .claim(v1::ClaimRequest { chunk, token })
            .await
            .unwrap();
        answer.into_inner().try_into().unwrap()
    }

    pub(crate) async fn record(&self, grant: &Grant, unit: u32) -> UnitRecord {
        UnitRecord {
            digest: format!("{:?}-{unit}", grant.kind),
            config_digest: String::new(),
            frames: self.frames(grant, unit).await,
            node: self.id.clone(),
            elapsed_ms: 1,
            reused: false,
        }
    }

    pub(crate) async fn commit(&mut self, grant: &Grant, unit: u32) -> Committed {
        let record = self.record(grant, unit).await;
        let request = v1::CommitRequest {
            chunk: grant.chunk.to_string(),
            token: Some(grant.token.into()),
            unit,
            record: Some((&record).into()),
        };
        let answer = self.client.commit(request).await.unwrap();
        answer.into_inner().try_into().unwrap()
    }

    pub(crate) async fn fail(&mut self, grant: &Grant, failure: &Failure) -> bool {
        let (chunk, token) = (grant.chunk.to_string(), Some(grant.token.into()));
        let request = v1::FailRequest {
            chunk,
            token,
            failure: Some(failure.into()),
        };
        self.client
            .fail(request)
            .await
            .unwrap()
            .into_inner()
            .accepted
    }

    async fn frames(&self, grant: &Grant, unit: u32) -> u32 {
        if !matches!(grant.kind, TaskKind::Encode { .. }) {
            return 0;
        }
        let path = layout::plan(&grant.chunk.task.job);
        let plan: Plan = self.storage.get_json(&path).await.unwrap();
        let segment = plan.video.unwrap().grid.segment(unit);
        let lost = if unit == 0 {
            self.script.frames_lost
        } else {
            0
        };
        segment.end - segment.start - lost
    }

    pub(crate) async fn write_result(&self, grant: &Grant) {
        let job = &grant.chunk.task.job;
        let result = layout::task_result(&grant.chunk.task);
        match &grant.kind {
            TaskKind::Probe => {
                let source = self.script.source.clone().unwrap();
                let probed = Probed {
                    source,
                    builds: self.builds.clone(),
                };
                self.storage
                    .put_json(&layout::source_info(job), &probed)
                    .await
                    .unwrap();
            }
            TaskKind::Qc => {
                let verdict = Verdict {
                    action: self.script.verdict,
                    findings: Vec::new(),
                    checked: 10,
                    not_applicable: Vec::new(),
                };
                self.storage.put_json(&result, &verdict).await.unwrap();
            }
            TaskKind::Package | TaskKind::Verify => {
                let manifest = self.manifest(job).await;
                self.storage.put_json(&result, &manifest).await.unwrap();
            }
            _ => {}
        }
    }

    async fn manifest(&self, job: &JobId) -> PackageManifest {
        let version: VersionFile = self
            .storage
            .get_json(&layout::job_version(job))
            .await
            .unwrap();
        let plan: Plan = self.storage.get_json(&layout::plan(job)).await.unwrap();
        PackageManifest {
            path: layout::version(&plan.title, version.version),
            hls: "hls.m3u8".to_owned(),
            dash: "dash.mpd".to_owned(),
            duration: plan.duration,
            files: Vec::new(),
            tracks: Vec::new(),
        }
    }
}
