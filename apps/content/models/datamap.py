"""What the tables of the writers' work hold: see `aiwriter.core.datamap`."""

from __future__ import annotations

from aiwriter.core.datamap import JOB, table

_WORK = "until somebody deletes it for good, or its workspace goes"
_DOCUMENT = "as its document"
# Words of the code within the JSON of a generation.
_INPUT = (
    "brief,context,source_ids,apply,template,pages,follow,follow_with,collection_id,estimate,voice,title,body,revision,"
    "plan,slug,audience,tone,length,language,topic,kind,action,instruction,text,document_id,heading,target_words,position,"
    "section_id,suggestion_id,row_id,batch_id,model,profile,input_tokens,output_tokens,cost,currency,seconds,fallbacks,"
    "rules,name,description,id,prompt,before,after,words,sections"
)
_SCHEMA = (
    "type,title,description,default,enum,examples,maxLength,minimum,maximum,format,items,x-lines,x-page,properties,required,"
    "additionalProperties,x-order,x-subject,object,string,integer,boolean,array,uri,name,category,instructions,fields,writes,"
    "length,is_active,draft,outline,articles,business,copy,letters,product,social,video,other"
)

TABLES = (
    # ------------------------------------------------------------ documents
    table(
        "content.Document",
        people="owner approved_by",
        erasure="detach",
        retention=_WORK,
        technical="id workspace owner collection word_count revision current_version review_version approved_version "
        "approved_by approved_at published_version published_at scheduled_at:drop voice created_at updated_at deleted_at "
        "kind:key",
        public="status:turn(scheduled=approved) language:language",
        content="title slug brief:json(title,audience,tone,length,language,topic,voice,template) "
        "seo:json(title,description,slug,keyword) body_markdown body_html:drop",
    ),
    table("content.Document_tags", retention=_DOCUMENT, technical="id document tag"),
    table(
        "content.DocumentVersion",
        people="author",
        erasure="detach",
        retention=_DOCUMENT,
        technical="id document number word_count author pinned generation created_at",
        public="reason",
        content="title body_markdown sha256:hash(title,body_markdown) label",
    ),
    table(
        "content.Provenance",
        retention="as its version",
        technical="id version human ai ai_edited quoted",
        content="spans:ids(human,ai,ai_edited,quoted,h,a,e,q)",
    ),
    table(
        "content.Collection",
        people="created_by",
        erasure="detach",
        retention=_WORK,
        technical="id workspace parent created_by created_at updated_at",
        content="name:name",
    ),
    table("content.Tag", retention=_WORK, technical="id workspace created_at", content="name:name"),
    table(
        "content.Presence",
        staging="drop",
        people="user",
        erasure="delete",
        retention="minutes",
        technical="id document user since seen_at",
    ),
    table(
        "content.WritingSettings",
        retention="as its workspace",
        technical="workspace trash_days default_collection updated_at",
        public="approval language:language",
    ),
    table(
        "content.Outline",
        people="requested_by",
        erasure="detach",
        retention=_DOCUMENT,
        technical="document source_ids:ids run revision requested_by token_id plan updated_at",
        public="state:turn(planning=idle,writing=idle)",
        content=f"brief:json({_INPUT})",
        internal="error remedy",
    ),
    table(
        "content.Section",
        retention=_DOCUMENT,
        technical="id document position target_words words generation",
        public="state:turn(queued=planned,writing=planned)",
        content="heading instruction text",
        internal="error remedy",
    ),
    # ------------------------------------------------------------ beside the text
    table(
        "content.CommentThread",
        people="created_by resolved_by",
        erasure="detach",
        retention=_DOCUMENT,
        technical="id workspace document version start created_by resolved_by resolved_at created_at updated_at",
        content="quote prefix suffix",
    ),
    table(
        "content.Comment",
        people="author",
        erasure="detach",
        retention=_DOCUMENT,
        technical="id thread author mentions:ids created_at edited_at",
        content="body",
    ),
    table(
        "content.Suggestion",
        people="author",
        erasure="detach",
        retention=_DOCUMENT,
        technical="id document generation author group candidate prompt_version start created_at updated_at action:key "
        "placement:word(replace,before,after)",
        public="state:turn(writing=failed)",
        content="label quote replacement ops:ids(id,start,before,after,prefix,suffix,explanation,state,open,accepted,"
        "rejected,lost,decided_by,decided_at)",
    ),
    table(
        "content.ReviewRequest",
        people="requested_by",
        erasure="detach",
        retention=_DOCUMENT,
        technical="id workspace document version requested_by created_at closed_at",
        public="state",
        content="note",
    ),
    table(
        "content.ReviewVerdict",
        people="reviewer",
        erasure="detach",
        retention=_DOCUMENT,
        technical="id request reviewer decided_at",
        public="decision",
        content="note",
    ),
    table(
        "content.ClaimCheck",
        people="requested_by",
        erasure="detach",
        retention=_DOCUMENT,
        technical=f"{JOB} id document version requested_by total done created_at",
        public="state",
        internal="note error remedy",
    ),
    table(
        "content.CheckedClaim",
        retention=_DOCUMENT,
        technical="id claim_check ordinal start end score chunk source",
        public="verdict",
        content="text reason quote source_title locator",
    ),
    # ------------------------------------------------------------ generations
    table(
        "content.Generation",
        people="requested_by",
        erasure="detach",
        retention="as its document; without one 90 days",
        technical=f"{JOB} id workspace document requested_by token_id stop_requested_at partial_length last_seq stalls "
        "retrieved applied_version created_at updated_at idempotency_key:drop",
        public="kind state finish_reason:word(stop,length,stopped,error,content_filter,budget,succeeded,failed)",
        content=f"input:ids({_INPUT}) output_markdown models_used:ids(model,profile,profile_name,start,end,number,failed,kind)",
        internal="error_code:key error remedy",
    ),
    # Their deltas cut words in two, and the finished text stands in the generation.
    table(
        "content.GenerationEvent",
        staging="drop",
        retention="an hour after the end",
        technical="id generation seq type:key",
        content="data:json",
    ),
    table(
        "content.GenerationPassage",
        retention="as its generation",
        technical="id generation marker:marker ordinal chunk source score",
        content="title locator text",
    ),
    table(
        "content.Citation",
        retention="as its generation",
        technical="id generation version marker:marker chunk source verified score start end",
        content="source_title locator quote reason",
    ),
    # ------------------------------------------------------------ sources
    table(
        "content.Source",
        people="owner",
        erasure="detach",
        retention=_WORK,
        technical=f"{JOB} id workspace owner file size_bytes page_map:json document etag:drop last_modified:drop fetched_at "
        "refresh_hours:drop refresh_after:drop word_count chunk_count page_count created_at updated_at",
        public="kind state mime:mime",
        content="title uri sha256:digest text outline:json warnings:json",
        internal="error_code:key error remedy",
    ),
    table(
        "content.SourcePin",
        people="created_by",
        erasure="detach",
        retention=_DOCUMENT,
        technical="id document source created_by created_at",
    ),
    table(
        "content.SourceChunk",
        retention="as its source",
        technical="id source workspace ordinal page char_start char_end token_count",
        # A vector tells its text: it is made again from what the text has become.
        content="text heading_path vector:drop embedder_id:drop dimension:drop vector_sha256:drop",
    ),
    table(
        "content.EmbeddingIndex",
        staging="drop",
        retention="as its workspace; made again at any time",
        technical="id workspace embedder_id dimension generation collection vectors_count revision indexed_revision "
        "last_built_at verified_at created_at updated_at",
        public="state",
        internal="error",
    ),
    # ------------------------------------------------------------ voices, templates, actions
    table(
        "content.VoiceProfile",
        people="created_by approved_by",
        erasure="detach",
        retention=_WORK,
        technical="id workspace is_default revision created_by approved_by approved_at created_at updated_at",
        public="status language:language",
        content="name:name description figures:json(words,sentences,words_per_sentence,longest_sentence,flesch,flesch_de,"
        "lix,readability,passive,syllables_per_word)",
    ),
    table(
        "content.VoiceSample",
        retention="as its voice",
        technical="id voice source document word_count created_at",
        content="title text",
    ),
    table(
        "content.VoiceRule",
        retention="as its voice",
        technical="id voice minimum maximum created_at",
        public="kind severity state",
        content="pattern:name replacement message",
    ),
    table(
        "content.ContentType",
        people="created_by",
        erasure="detach",
        retention=_WORK,
        technical="id workspace length is_active revision seeded:key created_by created_at updated_at",
        public="category writes",
        internal=f"slug:key name description instructions fields:schema({_SCHEMA})",
    ),
    table(
        "content.ContentTypeVersion",
        people="author",
        erasure="detach",
        retention="as its template",
        technical="id content_type number author created_at",
        internal=f"values:schema({_SCHEMA})",
    ),
    table(
        "content.PromptAction",
        people="created_by",
        erasure="detach",
        retention=_WORK,
        technical="id workspace is_active current created_by created_at updated_at",
        internal="key:key name",
    ),
    table(
        "content.PromptActionVersion",
        people="created_by",
        erasure="detach",
        retention="as its action",
        technical="id action number created_by created_at",
        public="scope placement",
        internal="template",
    ),
    # ------------------------------------------------------------ batches, imports, exports
    table(
        "content.Batch",
        people="requested_by",
        erasure="detach",
        retention=_WORK,
        technical="id workspace requested_by token_id content_type collection source_ids:ids failures created_at "
        "updated_at started_at finished_at encoding:word(utf-8,utf-8-sig,utf-16,cp1252,latin-1) "
        "delimiter:word(;,tab)",
        public="state:turn(running=stopped,stopping=stopped)",
        content="template_name name:file columns:json mapping:json fixed:json",
        internal="error remedy",
    ),
    table(
        "content.BatchRow",
        retention="as its batch",
        technical="id batch number attempt generation document",
        public="state:turn(waiting=stopped,writing=stopped)",
        content="cells:json unread problems:json(column,field,issue,remedy)",
        internal="error remedy",
    ),
    table(
        "content.Import",
        staging="drop",
        people="requested_by",
        erasure="detach",
        retention="90 days",
        technical=f"{JOB} id workspace requested_by file created_at",
        public="state",
        content="name url notes:json pictures:json",
        internal="error remedy",
    ),
    table("content.Import_documents", staging="drop", retention="as its import", technical="id import document"),
    table(
        "content.Export",
        staging="drop",
        people="requested_by",
        erasure="delete",
        retention="AIWRITER_EXPORT_DAYS",
        technical=f"{JOB} id workspace document version selection:json with_sources with_origin requested_by done file "
        "created_at expires_at",
        public="format state which:word(current,published,version)",
        content="title",
        internal="error remedy",
    ),
    # ------------------------------------------------------------ ways outside
    table(
        "content.Schedule",
        people="requested_by",
        erasure="detach",
        retention=_DOCUMENT,
        technical=f"{JOB} id workspace document version publish_at requested_by created_at",
        public="state",
        content="places:ids(target_id,categories,tags,with_sources)",
        internal="error remedy",
    ),
    table(
        "content.Publication",
        people="requested_by",
        erasure="detach",
        retention=_DOCUMENT,
        technical=f"{JOB} id workspace document target version publish_at with_sources requested_by sent_version sent_at "
        "next_try_at created_at updated_at",
        public="wish state",
        content="categories:json tags:json remote_id:name remote_url sent_hash:digest",
        internal="error remedy",
    ),
    table(
        "content.ShareLink",
        staging="drop",
        people="created_by",
        erasure="delete",
        retention="until it expires or is revoked",
        technical="id workspace document version created_by created_at expires_at revoked_at last_opened_at",
        public="which",
        content="label",
        secrets="digest",
    ),
    table(
        "content.WebhookEndpoint",
        people="created_by",
        erasure="detach",
        retention=_WORK,
        technical="id workspace events:drop previous_until:drop enabled:off failing_since:drop created_by created_at "
        "updated_at",
        internal="name url disabled_reason",
        secrets="sealed_secret sealed_previous secret_hint",
    ),
    table(
        "content.WebhookDelivery",
        staging="drop",
        retention="30 days",
        technical=f"{JOB} id endpoint event subject next_try_at response_status duration_ms repeats created_at",
        public="state",
        content="payload:json response_excerpt tries:json",
        internal="error",
    ),
)
